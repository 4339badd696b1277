"""What the responder acts upon over HTTP: Kubernetes' scale, Amazon ECS, a SIEM, a profiler, a TAXII 2.1 collection.

They check requests as the real ones do, and keep what was asked of them.
"""
