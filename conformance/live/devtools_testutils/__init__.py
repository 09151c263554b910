"""Stands in for the package of that name, which the live tests import and which is not published."""
