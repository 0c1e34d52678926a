"""What each privacy mode hides, measured on photographs."""
