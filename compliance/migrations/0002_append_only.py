"""The database itself refuses to change or remove a record, whoever asks."""

from django.db import migrations

TABLES = ("compliance_consentevent", "compliance_auditentry", "compliance_evidencerecord")

FUNCTION = """
CREATE FUNCTION compliance_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'records of % are never changed or removed', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("compliance", "0001_records")]

    operations = [
        migrations.RunSQL(FUNCTION, "DROP FUNCTION compliance_append_only()"),
        *(
            migrations.RunSQL(
                f"CREATE TRIGGER {name} BEFORE {verbs} ON {table}"
                " FOR EACH STATEMENT EXECUTE FUNCTION compliance_append_only()",
                f"DROP TRIGGER {name} ON {table}",
            )
            for table in TABLES
            for name, verbs in (("append_only", "UPDATE OR DELETE"), ("no_truncate", "TRUNCATE"))
        ),
    ]
