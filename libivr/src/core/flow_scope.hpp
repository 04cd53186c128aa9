#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/flow_model.hpp"
#include "ivr/flow_run.hpp"

namespace ivr::flow {

// All that a text or a condition of the flow can read at a point of a call: the variables, the call itself,
// the clock and the calendars. Each value remembers whether it is secret, and whether this replay lacks it.
//
// The model and the options are borrowed for its life.
class Scope : public Reader {
 public:
  Scope(const Model& model, const FlowRunOptions& options);

  View read(const Path& path) override;

  // Cuts texts at 64 KiB. Gives back what a log may show of it: JSON, or "***".
  std::string set(int slot, Value value, bool is_secret, bool is_redacted);

  // What the site or the document says now. A replay does not know what the site said then.
  CalendarState calendar(const std::string& name);
  bool on_list(const std::string& name, const std::vector<std::string>& of_document);

  std::string variables_json() const;  // secrets as "***"
  const std::string& language_name() const noexcept;

  CallInfo call;
  Time now{};
  int language = 0;
  outcome::QueueNews news;             // while it is announced
  std::optional<outcome::Ended> over;  // how the call ended, when it has
  std::string_view node;               // where the caller is; empty: nowhere

 private:
  struct Slot {
    Value value;
    bool secret = false, redacted = false;
  };

  View local(Path::Root what);

  const Model& model_;
  const FlowRunOptions& options_;
  std::vector<Slot> slots_;
};

}  // namespace ivr::flow
