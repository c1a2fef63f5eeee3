"""Line-based faces of the chat, and the faces for scripts."""
