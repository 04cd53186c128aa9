#pragma once
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "core/flow_value.hpp"

// The names in a flow: how they are written, which value each of them means, and which one the author may
// have meant.

namespace ivr::flow {

constexpr bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

bool is_name(std::string_view s);       // of variables and calendars: letters, digits, _
bool is_node_name(std::string_view s);  // also -
bool is_token(std::string_view s);      // of headers (RFC 9110, 5.6.2)

// "did you mean 'agent'?" or "known: a, b, c", with a leading "; ". Empty when there is nothing to suggest.
std::string suggestion(std::string_view wrong, const std::vector<std::string>& known);

// The column `name` of a table, for suggestions.
template <class Table>
std::vector<std::string> names_of(const Table& table) {
  std::vector<std::string> names;
  for (const auto& row : table) names.emplace_back(row.name);
  return names;
}

std::string in_quotes(std::string_view s);

// What nodes that connect callers leave behind: variables that no flow can set.
inline constexpr std::string_view kQueueResult = "queue", kTransferResult = "transfer",
                                  kAgentStatusResult = "agent_status";

// Variable names to slots.
class Names {
 public:
  int slot(std::string_view name);
  int find(std::string_view name) const;  // -1: unknown
  const std::string& name(int slot) const { return names_[static_cast<std::size_t>(slot)]; }
  int size() const { return static_cast<int>(names_.size()); }
  const std::vector<std::string>& all() const { return names_; }

  // While the announcements of a queue are read: only they know the caller's place in it.
  bool announcing = false;

 private:
  std::vector<std::string> names_;
  absl::flat_hash_map<std::string, int> slots_;
};

// Where a value is read from: a variable and the way into it, or something built in.
struct Path {
  enum class Root : std::uint8_t {
    variable,
    language,
    call_id,
    call_caller,
    call_called,
    call_direction,
    call_caller_uri,
    call_called_uri,
    call_node,
    call_user,
    hangup_by,
    hangup_reason,
    now_hour,
    now_minute,
    now_weekday,
    now_date,
    now_time,
    now_epoch,
    calendar_open,   // rest[0] is the calendar
    calendar_state,  // "open", "closed", "emergency"
    queue_position,
    queue_wait_minutes,
    queue_more_than,
  };
  Root root = Root::variable;
  int slot = -1;
  std::vector<std::string> rest;  // keys and indexes into an object

  static absl::StatusOr<Path> parse(std::string_view text, Names& names);
};

// What expressions read from, and the notes they leave about what they touched.
class Reader {
 public:
  virtual ~Reader() = default;
  virtual View read(const Path& path) = 0;

  bool secret = false;    // something read was secret
  bool redacted = false;  // something read may have been another then: a replay goes by its record
  bool unknown = false;   // something read is not known in this replay

  std::string& scratch() {  // lives until clear()
    if (used_ == pool_.size()) pool_.emplace_back();
    std::string& s = pool_[used_++];
    s.clear();
    return s;
  }
  void clear() { used_ = 0, secret = redacted = unknown = false; }

 private:
  std::deque<std::string> pool_;
  std::size_t used_ = 0;
};

// A step into a value that is an object or an array.
View step_into(View value, const std::vector<std::string>& rest, std::size_t from = 0);

}  // namespace ivr::flow
