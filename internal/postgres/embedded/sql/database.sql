-- Made last: that it is there says that the roles are.
CREATE DATABASE carewire
