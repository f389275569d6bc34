"""How PostgreSQL inserts a row: all of it on the server, in one journey, so that a commit is all that a writer waits for."""

from __future__ import annotations

from doc_io.index.schema import INSERTED

_COLUMNS = ", ".join(INSERTED)

# Each statement of a volatile function sees what was committed before it began (postgresql.org/docs/current/
# xfunc-volatility.html): what stands behind the locks sees what the last holder of the locks wrote. A single statement
# would look with eyes from before it waited. The lesser lock first, so that no two writers wait for each other.
CREATE = f"""
CREATE FUNCTION doc_io_insert(
    new documents, task_lock bigint, key_lock bigint, parents text[], input_names text[],
    OUT inserted bigint, OUT newest text, OUT prev text
) LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(least(task_lock, key_lock));
    PERFORM pg_advisory_xact_lock(greatest(task_lock, key_lock));
    SELECT created_at FROM documents WHERE stage = new.stage AND task_id = new.task_id
        ORDER BY created_at DESC, seq DESC LIMIT 1 INTO newest;
    SELECT doc_id FROM documents WHERE logical_key_id = new.logical_key_id
        ORDER BY created_at DESC, seq DESC LIMIT 1 INTO prev;
    IF (newest IS NULL OR newest < new.created_at) AND prev IS NOT DISTINCT FROM new.lineage_prev_doc_id THEN
        INSERT INTO documents ({_COLUMNS}) VALUES ({", ".join(f"new.{column}" for column in INSERTED)})
            ON CONFLICT (doc_id) DO NOTHING RETURNING seq INTO inserted;
        IF inserted IS NOT NULL THEN
            INSERT INTO document_parents (doc_id, position, parent_doc_id, input_name)
                SELECT new.doc_id, position - 1, parent, name
                FROM unnest(parents, input_names) WITH ORDINALITY AS given(parent, name, position);
        END IF;
    END IF;
END $$
"""
"""Makes the function. ``inserted`` is the new seq; where it is NULL the place or the doc_id was another's, and ``newest``
and ``prev`` say what the place is now."""

CALL = f"SELECT * FROM doc_io_insert(ROW(0, {', '.join(['%s'] * len(INSERTED))})::documents, %s, %s, %s::text[], %s::text[])"
"""Calls it: the values of `queries.values_of`, the two locks, the parents and the names of the inputs."""
