-- People are found within a clinic by the beginnings of their names' words, by birth date and by the clinic's number, and a
-- patient who is registered twice at a clinic is noticed. Both use indexes and look at one clinic only.
-- +carewire allow create-index users: instances are stopped for this release, as 00027 copies three tables (docs/operating.md, Upgrade).
-- +goose Up
SET lock_timeout = '5s';

CREATE INDEX users_birth_date_idx ON users (birth_date) WHERE birth_date IS NOT NULL;
CREATE INDEX users_phone_idx ON users (phone) WHERE phone IS NOT NULL;
CREATE INDEX users_whatsapp_idx ON users (whatsapp) WHERE whatsapp IS NOT NULL;

-- name_words returns the words of a name without accents, apostrophes and case, each once, in an order of their own. It depends
-- on no locale and no extension: marks are taken off by Unicode's compatibility decomposition (UAX #15), letters that have none
-- are replaced as the extension unaccent does, and the capitals of Latin, Greek and Cyrillic are the ones in the lists.
CREATE FUNCTION name_words(p_name text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY(
    SELECT DISTINCT w.word COLLATE "C"
    FROM regexp_split_to_table(
        replace(replace(replace(replace(
            translate(
                lower(regexp_replace(
                    normalize(regexp_replace(p_name COLLATE "C", '[''`´‘’ʼ]', '', 'g'), NFKD),
                    '[\u0300-\u036f]', '', 'g'
                )),
                'ÆŒÞẞØøŁłĐđÐðĦħıŦŧŊŋΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩςАБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯЄІЂЈЉЊЋЏҐ',
                'æœþßoollddddhhittnnαβγδεζηθικλμνξοπρστυφχψωσабвгдежзиклмнопрстуфхцчшщъыьэюяєіђјљњћџґ'
            ),
            'æ', 'ae'), 'œ', 'oe'), 'þ', 'th'), 'ß', 'ss'),
        '[\s!-/:-@\[-`{-~·–—]+'
    ) AS w (word)
    WHERE w.word <> ''
    ORDER BY 1
);

-- The words of everybody's name at each clinic where they hold or held a role.
CREATE TABLE person_words (
    clinic_id uuid NOT NULL,
    word text COLLATE "C" NOT NULL,
    user_id uuid NOT NULL,
    CONSTRAINT person_words_pkey PRIMARY KEY (clinic_id, word, user_id),
    CONSTRAINT person_words_clinic_id_fkey FOREIGN KEY (clinic_id) REFERENCES clinics (id),
    CONSTRAINT person_words_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id)
);
CREATE INDEX person_words_user_id_idx ON person_words (user_id, clinic_id, word);
GRANT SELECT ON person_words TO carewire_app;

ALTER TABLE person_words ENABLE ROW LEVEL SECURITY;
CREATE POLICY person_words_app ON person_words TO carewire_app
    USING ((SELECT scope_is('system')) OR clinic_id = ANY((SELECT scope_clinics())::uuid[]));

INSERT INTO person_words (clinic_id, word, user_id)
SELECT DISTINCT
    m.clinic_id,
    w.word,
    m.user_id
FROM memberships AS m
JOIN users AS u ON u.id = m.user_id
CROSS JOIN LATERAL unnest(name_words(concat_ws(' ', u.given_name, u.family_name))) AS w (word)
WHERE m.clinic_id IS NOT NULL;

-- +goose StatementBegin
CREATE FUNCTION person_words_of_roles() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    INSERT INTO person_words (clinic_id, word, user_id)
    SELECT DISTINCT
        c.clinic_id,
        w.word,
        c.user_id
    FROM granted AS c
    JOIN users AS u ON u.id = c.user_id
    CROSS JOIN LATERAL unnest(name_words(concat_ws(' ', u.given_name, u.family_name))) AS w (word)
    WHERE c.clinic_id IS NOT NULL
    ON CONFLICT ON CONSTRAINT person_words_pkey DO NOTHING;
    RETURN NULL;
END
$$;
CREATE FUNCTION person_words_of_names() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    DELETE FROM person_words AS p
    WHERE p.user_id = NEW.id;
    INSERT INTO person_words (clinic_id, word, user_id)
    SELECT DISTINCT
        m.clinic_id,
        w.word,
        NEW.id
    FROM memberships AS m
    CROSS JOIN LATERAL unnest(name_words(concat_ws(' ', NEW.given_name, NEW.family_name))) AS w (word)
    WHERE m.user_id = NEW.id
        AND m.clinic_id IS NOT NULL;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER memberships_person_words AFTER INSERT ON memberships
    REFERENCING NEW TABLE AS granted FOR EACH STATEMENT EXECUTE FUNCTION person_words_of_roles();
CREATE TRIGGER users_person_words AFTER UPDATE OF given_name, family_name ON users
    FOR EACH ROW WHEN (OLD.given_name IS DISTINCT FROM NEW.given_name OR OLD.family_name IS DISTINCT FROM NEW.family_name)
    EXECUTE FUNCTION person_words_of_names();

-- people_find returns up to p_limit ids above p_after, in their order, of those who hold a role at the clinic (p_role; '' for any) and
-- match every filter that is given: each word of p_name ('' for none) begins a word of their name, p_birth_date is their birth
-- date, p_number is their number at the clinic ('' for none). Whoever does not work at the clinic gets nothing. The filter that
-- leaves the fewest comes first, each with its own index, which a query under policies could not use for names.
-- +goose StatementBegin
CREATE FUNCTION people_find(p_clinic_id uuid, p_name text, p_birth_date date, p_number text, p_role text, p_after uuid, p_limit integer)
RETURNS TABLE (id uuid)
LANGUAGE plpgsql STABLE
ROWS 50
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_words text[] := name_words(p_name);
    v_word text COLLATE "C";
    v_found uuid[];
BEGIN
    IF NOT scope_is('system') AND NOT p_clinic_id = ANY(scope_clinics()) THEN
        RETURN;
    END IF;
    IF p_number <> '' THEN
        v_found := ARRAY(
            SELECT n.user_id
            FROM medical_record_numbers AS n
            WHERE n.clinic_id = p_clinic_id
                AND n.number = p_number
        );
    ELSIF p_birth_date IS NOT NULL THEN
        v_found := ARRAY(
            SELECT u.id
            FROM users AS u
            WHERE u.birth_date = p_birth_date
        );
    ELSE
        SELECT w.word INTO v_word FROM unnest(v_words) AS w (word) ORDER BY char_length(w.word) DESC LIMIT 1;
        v_found := ARRAY(
            SELECT DISTINCT p.user_id
            FROM person_words AS p
            WHERE p.clinic_id = p_clinic_id
                AND p.word >= v_word
                AND p.word < v_word || chr(1114111)
        );
    END IF;
    RETURN QUERY
    SELECT u.id
    FROM users AS u
    WHERE u.id = ANY(v_found)
        AND u.id > p_after
        AND (p_birth_date IS NULL OR u.birth_date = p_birth_date)
        AND EXISTS (
            SELECT 1
            FROM memberships AS m
            WHERE m.user_id = u.id
                AND m.clinic_id = p_clinic_id
                AND m.revoked_at IS NULL
                AND (p_role = '' OR m.role = p_role)
        )
        AND NOT EXISTS (
            SELECT 1
            FROM unnest(v_words) AS w (word)
            WHERE NOT EXISTS (
                SELECT 1
                FROM person_words AS p
                WHERE p.user_id = u.id
                    AND p.clinic_id = p_clinic_id
                    AND p.word >= w.word COLLATE "C"
                    AND p.word < (w.word || chr(1114111)) COLLATE "C"
            )
        )
    ORDER BY u.id
    LIMIT p_limit;
END
$$;

-- patient_duplicates returns up to 10 patients of the clinic who may be the one who is to be registered: the same words in the
-- name and the same birth date, or one of the numbers as phone or WhatsApp number. Whoever does not work at the clinic gets
-- nothing.
CREATE FUNCTION patient_duplicates(p_clinic_id uuid, p_name text, p_birth_date date, p_numbers text[])
RETURNS TABLE (id uuid)
LANGUAGE plpgsql STABLE
ROWS 1
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF NOT scope_is('system') AND NOT p_clinic_id = ANY(scope_clinics()) THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT f.id
    FROM (
        SELECT u.id
        FROM users AS u
        WHERE u.birth_date = p_birth_date
            AND name_words(concat_ws(' ', u.given_name, u.family_name)) = name_words(p_name)
        UNION
        SELECT u.id
        FROM users AS u
        WHERE u.phone = ANY(p_numbers)
        UNION
        SELECT u.id
        FROM users AS u
        WHERE u.whatsapp = ANY(p_numbers)
    ) AS f
    WHERE EXISTS (
        SELECT 1
        FROM memberships AS m
        WHERE m.user_id = f.id
            AND m.clinic_id = p_clinic_id
            AND m.role = 'patient'
            AND m.revoked_at IS NULL
    )
    ORDER BY f.id
    LIMIT 10;
END
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION name_words, person_words_of_roles, person_words_of_names, people_find, patient_duplicates FROM PUBLIC;
GRANT EXECUTE ON FUNCTION name_words, people_find, patient_duplicates TO carewire_app;
