-- Created last: if the database exists, the roles exist.
CREATE DATABASE carewire
