"""The signals: one module each, all with the interface of :class:`detector.signals.protocol.Signal`."""
