"""The compiled callback and its mixer, streams, the device process and its client, the watchdog."""
