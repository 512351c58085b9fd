"""Detections for other programs: a Wyoming server, and MQTT messages with Home Assistant's discovery.

It belongs to the ring that a device imports: NumPy, an interpreter, and for MQTT the optional paho-mqtt.
"""
