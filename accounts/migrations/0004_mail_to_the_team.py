"""A mail may go to the team, or to somebody who has no account: then it is no person's."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_signin")]

    operations = [
        migrations.AlterField(
            model_name="queuedmail",
            name="user",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="mails",
                to=settings.AUTH_USER_MODEL,
                verbose_name="user",
            ),
        ),
    ]
