from django.contrib import admin
from django.urls import path

from . import views

urlpatterns = [
    path("", views.page),
    path("healthz", views.healthz),
    path("admin/", admin.site.urls),
]
