"""Files of messages: which message has which, who may read them, and what is to be erased."""
