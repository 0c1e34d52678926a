"""What lies between transmitter and receiver: channels, links, files of symbols."""
