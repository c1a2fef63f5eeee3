"""Pure building blocks: no asyncio, framework, driver or clock."""
