"""The staff's side of the records: what people vouch for, incidents, literacy sessions. Registered when loaded."""

from siteproject import attestation_admin, incident_admin  # noqa: F401
