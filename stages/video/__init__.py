"""A user's own footage, a video of any kind or a folder of images: read frame by frame, as often as wanted."""
