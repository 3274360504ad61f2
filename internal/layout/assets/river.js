"use strict";

// River's page validates with zod, which otherwise tries to compile code and writes the refusal by the
// Content-Security-Policy to the console.
globalThis.__zod_globalConfig = { jitless: true };
