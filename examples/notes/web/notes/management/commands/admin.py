"""Makes the user admin, or gives it the password that the app has now."""
import os

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    def handle(self, *args, **options):
        admin, made = User.objects.get_or_create(username="admin", defaults={"is_staff": True, "is_superuser": True})
        admin.set_password(os.environ["ADMIN_PASSWORD"])
        admin.save()
        self.stdout.write("user admin is made" if made else "user admin is there")
