-- The filters of a search of knowledge, as SQL text: what follows `from kb_chunk as chunk`, with
-- the tenant as $1 and the filters as $2.
--
-- `filters` is an object in which every key is optional: `source` (text), `metadata` and `labels`
-- (objects, containment), `from` and `to` (times, half-open). Their values stay parameters; only
-- their presence decides the text.
create or replace function @extschema@.knowledge_filter(filters jsonb)
returns text
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
return
  case
    when filters ?| array['source', 'from', 'to']
    then ' join @extschema@.kb_doc as doc on doc.tenant_id = chunk.tenant_id and doc.doc_id = chunk.doc_id'
    else ''
  end
  || ' where chunk.tenant_id = $1'
  || case when filters ? 'source' then ' and doc.source = $2 ->> ''source''' else '' end
  || case when filters ? 'from' then ' and doc.created_at >= ($2 ->> ''from'')::timestamptz' else '' end
  || case when filters ? 'to' then ' and doc.created_at < ($2 ->> ''to'')::timestamptz' else '' end
  || case when filters ? 'metadata' then ' and chunk.metadata @> ($2 -> ''metadata'')' else '' end
  || case when filters ? 'labels' then ' and chunk.metadata @> jsonb_build_object(''labels'', $2 -> ''labels'')' else '' end;
