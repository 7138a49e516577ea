"""The address of the search page, which belongs to the application: no static edge can answer it."""

from django.urls import path

from content.search_views import search_page

urlpatterns = [path("live/<language:language>/search/", search_page, name="search")]
