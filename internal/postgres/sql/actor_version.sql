-- Fails if the actor has changed since version $2.
SELECT actor_holds($1, $2)
