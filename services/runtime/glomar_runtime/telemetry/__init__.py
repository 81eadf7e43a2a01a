"""Logs, spans and their export by OTLP."""
