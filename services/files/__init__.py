"""The files service: uploads, downloads, previews of pictures and avatars."""
