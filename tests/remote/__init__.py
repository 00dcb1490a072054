"""Tests of files at URLs, against a server on this machine."""
