#pragma once

#include "spool/rows.hpp"
#include "spool/store.hpp"

namespace spool {

// The writer's statements, each prepared once.
struct Store::Statements {
    explicit Statements(Database& db)
        : begin(db, "BEGIN IMMEDIATE"),
          commit(db, "COMMIT"),
          insert_message(db,
                         "INSERT INTO message (id, state, due, received, size, in_file,"
                         " reverse_path, body_type, smtputf8, ret, envid, client, client_name,"
                         " user, protocol, message_id, subject, header_from)"
                         " VALUES (?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
          insert_recipient(db,
                           "INSERT INTO recipient (message, position, address, notify, orcpt)"
                           " VALUES (?, ?, ?, ?, ?)"),
          insert_body(db, "INSERT INTO body (message, bytes) VALUES (?, ?)"),
          insert_attempt(db,
                         // Not INSERT ... SELECT, which would build a table of its own for it.
                         "INSERT INTO attempt VALUES (?1, (SELECT coalesce(max(number), 0) + 1"
                         " FROM attempt WHERE message = ?1), ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"),
          find(db, "SELECT state, due, size, attempts, wedged, in_file FROM message WHERE id = ?"),
          update(db,
                 "UPDATE message SET state = ?, due = ?, finished = ?, attempts = ?, wedged = ?,"
                 " warned = warned OR ? WHERE id = ?"),
          update_recipient(db,
                           "UPDATE recipient SET state = ?, code = ?, enhanced = ?, reply = ?,"
                           " problem = ? WHERE message = ? AND position = ?"),
          progress(db, "SELECT sum(state = 0), sum(state = 2) FROM recipient WHERE message = ?"),
          delete_message(db, "DELETE FROM message WHERE id = ?"),
          delete_recipients(db, "DELETE FROM recipient WHERE message = ?"),
          delete_attempts(db, "DELETE FROM attempt WHERE message = ?"),
          delete_body(db, "DELETE FROM body WHERE message = ?"),
          mark_dot(db,
                   "INSERT OR REPLACE INTO dot (message, counted)"
                   " SELECT id, 0 FROM message WHERE id = ?"),
          mark_begun(db,
                     "INSERT INTO dot (message, counted) SELECT id, 3 FROM message WHERE id = ?"
                     " ON CONFLICT DO UPDATE SET counted = counted | 1 WHERE counted >= 2"),
          end_begun(db, "UPDATE dot SET counted = counted & ~1 WHERE message = ? AND counted > 2"),
          delete_dot(db, "DELETE FROM dot WHERE message = ?"),
          delete_new_dot(db, "DELETE FROM dot WHERE message = ? AND counted = 0"),
          due(db, "SELECT id, due FROM message WHERE due IS NOT NULL ORDER BY due"),
          finished(db, "SELECT id FROM message WHERE finished < ? ORDER BY finished LIMIT ?"),
          update_totals(db,
                        "UPDATE totals SET queued = ?, held = ?, unknown = ?, delivered = ?,"
                        " failed = ?, bytes = ?") {}

    Statement begin, commit, insert_message, insert_recipient, insert_body, insert_attempt, find,
        update, update_recipient, progress, delete_message, delete_recipients, delete_attempts,
        delete_body, mark_dot, mark_begun, end_begun, delete_dot, delete_new_dot, due, finished,
        update_totals;
};

}  // namespace spool
