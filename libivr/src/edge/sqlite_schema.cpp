#include "edge/sqlite_schema.hpp"

#include <iterator>

namespace ivr::sqlite {
namespace {

// Never edit one that was released: add the next.
constexpr const char* kMigrations[] = {
    R"(CREATE TABLE calls (
         id TEXT PRIMARY KEY NOT NULL, sip_call_id TEXT NOT NULL, sip_from_tag TEXT NOT NULL,
         direction TEXT NOT NULL CHECK (direction IN ('inbound', 'outbound')),
         caller TEXT NOT NULL, called TEXT NOT NULL, flow TEXT NOT NULL, flow_digest TEXT NOT NULL,
         started INTEGER, answered INTEGER, ended INTEGER,  -- microseconds since 1970, UTC; NULL: did not happen
         status TEXT NOT NULL, cause TEXT NOT NULL, language TEXT NOT NULL, variables TEXT NOT NULL,
         recording TEXT NOT NULL);
       CREATE INDEX calls_by_start ON calls (started DESC, id DESC);
       CREATE TABLE call_events (
         call TEXT NOT NULL, sequence INTEGER NOT NULL, at INTEGER NOT NULL, json TEXT NOT NULL,
         PRIMARY KEY (call, sequence)) WITHOUT ROWID;
       CREATE TABLE node_visits (
         call TEXT NOT NULL, sequence INTEGER NOT NULL, node TEXT NOT NULL, type TEXT NOT NULL,
         entered INTEGER, left INTEGER, status TEXT NOT NULL, exit TEXT NOT NULL, input TEXT NOT NULL,
         output TEXT NOT NULL, error TEXT NOT NULL,
         PRIMARY KEY (call, sequence)) WITHOUT ROWID;
       CREATE TABLE flows (
         digest TEXT PRIMARY KEY NOT NULL, id TEXT NOT NULL, published INTEGER, document TEXT NOT NULL);
       CREATE INDEX flows_by_id ON flows (id, published);)",
    // Which calls were open, and the same SIP call met again, without reading the whole table.
    R"(CREATE INDEX calls_in_progress ON calls (status) WHERE status = 'in_progress';
       CREATE INDEX calls_by_sip ON calls (sip_call_id, sip_from_tag);)",
    // Desks: what they are set up with, what their router did, and what became of a call that was queued.
    R"(ALTER TABLE calls ADD COLUMN queue TEXT NOT NULL DEFAULT '';
       ALTER TABLE calls ADD COLUMN agent TEXT NOT NULL DEFAULT '';
       ALTER TABLE calls ADD COLUMN tried TEXT NOT NULL DEFAULT '[]';  -- JSON, as path
       ALTER TABLE calls ADD COLUMN path TEXT NOT NULL DEFAULT '[]';
       ALTER TABLE calls ADD COLUMN waited INTEGER NOT NULL DEFAULT 0;  -- milliseconds, as rang and talked
       ALTER TABLE calls ADD COLUMN rang INTEGER NOT NULL DEFAULT 0;
       ALTER TABLE calls ADD COLUMN talked INTEGER NOT NULL DEFAULT 0;
       CREATE TABLE documents (
         kind TEXT NOT NULL, id TEXT NOT NULL, json TEXT NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID;
       CREATE TABLE router_log (
         sequence INTEGER PRIMARY KEY NOT NULL, at INTEGER NOT NULL, event TEXT NOT NULL, commands TEXT NOT NULL);
       CREATE INDEX router_log_by_time ON router_log (at);
       CREATE TABLE router_calls (
         call TEXT NOT NULL, sequence INTEGER NOT NULL, PRIMARY KEY (call, sequence)) WITHOUT ROWID;
       CREATE INDEX router_calls_by_sequence ON router_calls (sequence);
       CREATE TABLE router_snapshots (next INTEGER PRIMARY KEY NOT NULL, at INTEGER NOT NULL, json TEXT NOT NULL);)",
};

constexpr const char kCallColumns[] =
    "id, sip_call_id, sip_from_tag, direction, caller, called, flow, flow_digest, started, answered, ended, "
    "status, "
    "cause, language, variables, recording, queue, agent, tried, path, waited, rang, talked";

}  // namespace

const QueryText& text_of(Query query) {
  static const QueryText kTexts[] = {
      {"begin", "BEGIN IMMEDIATE"},
      {"commit", "COMMIT"},
      {"rollback", "ROLLBACK"},
      {"put call",
       std::string("INSERT INTO calls (") + kCallColumns +
           ") VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22,?23) ON "
           "CONFLICT (id) DO UPDATE SET "
           "sip_call_id=?2, sip_from_tag=?3, direction=?4, caller=?5, called=?6, flow=?7, flow_digest=?8, "
           "started=?9, answered=?10, ended=?11, status=?12, cause=?13, language=?14, variables=?15, "
           "recording=?16, queue=?17, agent=?18, tried=?19, path=?20, waited=?21, rang=?22, talked=?23"},
      {"find cut call",
       "SELECT id FROM calls WHERE sip_call_id = ?2 AND sip_from_tag = ?3 AND id <> ?1 AND status = 'failed' "
       "AND cause = 'system' AND started BETWEEN ?4 - 32000000 AND ?4"},
      {"replace cut call", "DELETE FROM calls WHERE id = ?1"},
      {"replace events of cut call", "DELETE FROM call_events WHERE call = ?1"},
      {"replace visits of cut call", "DELETE FROM node_visits WHERE call = ?1"},
      {"append event", "INSERT OR REPLACE INTO call_events (call, sequence, at, json) VALUES (?1,?2,?3,?4)"},
      {"put visit",
       "INSERT OR REPLACE INTO node_visits (call, sequence, node, type, entered, left, status, exit, input, "
       "output, "
       "error) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)"},
      {"put flow", "INSERT OR IGNORE INTO flows (digest, id, published, document) VALUES (?1,?2,?3,?4)"},
      {"read call", std::string("SELECT ") + kCallColumns + " FROM calls WHERE id = ?1"},
      {"read calls", std::string("SELECT ") + kCallColumns +
                         " FROM calls ORDER BY started DESC, id DESC LIMIT ?1 OFFSET ?2"},
      {"read events", "SELECT call, sequence, at, json FROM call_events WHERE call = ?1 ORDER BY sequence"},
      {"read visits",
       "SELECT call, sequence, node, type, entered, left, status, exit, input, output, error FROM "
       "node_visits "
       "WHERE call = ?1 ORDER BY sequence"},
      {"read flow", "SELECT digest, id, published, document FROM flows WHERE digest = ?1"},
      {"close open calls",
       "UPDATE calls SET status = 'failed', cause = 'system', ended = ?1 WHERE status = 'in_progress'"},
      {"read calls of a time", std::string("SELECT ") + kCallColumns +
                                   " FROM calls WHERE started >= ?1 AND started < ?2 ORDER BY started, id "
                                   "LIMIT ?3 OFFSET ?4"},
      {"put document",
       "INSERT INTO documents (kind, id, json) VALUES (?1,?2,?3) ON CONFLICT (kind, id) DO UPDATE SET "
       "json=?3"},
      {"read document", "SELECT json FROM documents WHERE kind = ?1 AND id = ?2"},
      {"read documents", "SELECT kind, id, json FROM documents WHERE kind = ?1 ORDER BY id"},
      {"remove document", "DELETE FROM documents WHERE kind = ?1 AND id = ?2"},
      {"append router step",
       "INSERT OR REPLACE INTO router_log (sequence, at, event, commands) VALUES (?1,?2,?3,?4)"},
      {"append call of router step", "INSERT OR REPLACE INTO router_calls (call, sequence) VALUES (?1,?2)"},
      {"read router log",
       "SELECT sequence, at, event, commands FROM router_log WHERE sequence >= ?1 AND at >= ?2 AND at < ?3 "
       "ORDER BY sequence LIMIT ?4"},
      {"read router log of call",
       "SELECT l.sequence, l.at, l.event, l.commands FROM router_calls c JOIN router_log l ON l.sequence = "
       "c.sequence WHERE c.call = ?5 AND c.sequence >= ?1 AND l.at >= ?2 AND l.at < ?3 ORDER BY c.sequence "
       "LIMIT ?4"},
      {"read calls of router step", "SELECT call FROM router_calls WHERE sequence = ?1 ORDER BY call"},
      {"read next router step",
       "SELECT max((SELECT coalesce(max(sequence) + 1, 0) FROM router_log), (SELECT coalesce(max(next), 0) "
       "FROM router_snapshots))"},
      {"put router snapshot", "INSERT OR REPLACE INTO router_snapshots (next, at, json) VALUES (?1,?2,?3)"},
      {"read router snapshot",
       "SELECT next, at, json FROM router_snapshots WHERE next <= ?1 ORDER BY next DESC LIMIT 1"},
      {"read router snapshots", "SELECT next, at FROM router_snapshots ORDER BY next DESC"},
      {"drop router snapshot", "DELETE FROM router_snapshots WHERE next = ?1"},
      // The first step there is, the last, and the last of those before a time.
      {"find old router steps",
       "SELECT coalesce((SELECT min(sequence) FROM router_log), 0), coalesce((SELECT max(sequence) FROM "
       "router_log), 0), coalesce((SELECT max(sequence) FROM router_log WHERE at < ?1), -1)"},
      {"drop router steps", "DELETE FROM router_log WHERE sequence < ?1"},
      {"drop calls of router steps", "DELETE FROM router_calls WHERE sequence < ?1"},
  };
  return kTexts[query];
}

std::span<const char* const> migrations() { return kMigrations; }

}  // namespace ivr::sqlite
