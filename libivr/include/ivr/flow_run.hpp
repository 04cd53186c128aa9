#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "ivr/base.hpp"
#include "ivr/flow.hpp"
#include "ivr/script.hpp"

namespace ivr {

// What this calendar says of that instant; none: there is no such calendar.
using CalendarLookup = std::function<std::optional<CalendarState>(std::string_view calendar, Time at)>;

// Is the caller on this list? None: there is no such list.
using CallerListLookup = std::function<std::optional<bool>(std::string_view list, std::string_view caller)>;

// Is the caller among these numbers? One that ends in '*' stands for all that begin so.
bool matches_caller(const std::vector<std::string>& callers, std::string_view caller);

// Makes the calendars of a flow's document answer, once for all its runs. `load_zone` is load_time_zone() of
// edge/time_zones.hpp, or a table in a test. `site` is asked first: what the site says of a calendar goes
// before what the document says. The first zone that cannot be loaded is the error.
using ZoneLoader = std::function<absl::StatusOr<absl::TimeZone>(std::string_view name)>;
absl::StatusOr<CalendarLookup> flow_calendars(const Flow& flow, const ZoneLoader& load_zone,
                                              CalendarLookup site = {});

struct FlowRunOptions {
  std::uint64_t seed = 0;  // of percentage decisions; the same seed takes the same way
  std::vector<std::pair<std::string, std::string>>
      variables;             // name and JSON text; override the document's defaults
  CalendarLookup calendars;  // from flow_calendars(); a calendar that it does not know is closed
  CallerListLookup lists;    // of the site; they go before the document's
  absl::TimeZone zone;       // of Flow::time_zone(); the default is UTC
  int fuel = 10'000;  // node visits without the caller pressing a key; then the error exit, then the end
  // Replay: the nodes in the order they were left then, and by which exits (note::NodeLeft). Only asked where
  // the way depends on what the log does not hold: a secret (outcome::Collected::redacted), a calendar, a
  // list. Another version of the flow asks it about its nodes of the same name.
  std::vector<FlowStep> recorded_way;
};

// One caller's place in a flow: outcomes in, intents and notes out. Running cannot fail: what goes wrong
// outside takes the node's error exit, then the flow's on_error, then the call ends with a reason.
//
// It decides only; a CallSession carries the intents out.
//
// Thread:   one at a time.
// Realtime: no. A step through decisions and settings does not allocate once warm, while names, values and
//           texts are short (15 bytes); prompts and requests do.
class FlowRun : public Script {
 public:
  FlowRun(std::shared_ptr<const Flow> flow, FlowRunOptions options = {});
  ~FlowRun() override;

  void step(const Outcome& outcome, Time now, ScriptOutput& out) override;

  // All variables as one JSON object, secrets as "***".
  std::string variables_json() const;
  std::string variables() const override { return variables_json(); }  // what the call record keeps
  const std::string& language() const noexcept;
  const std::string& node() const noexcept;  // where the caller is; empty before the start and after the end
  bool ended() const noexcept;
  // Replay: the first node that had to guess, for it hangs on what neither the log nor its way tells. Empty:
  // none has.
  const std::string& guessed() const noexcept;
  const std::shared_ptr<const Flow>& flow() const noexcept;

 private:
  class Machine;
  std::unique_ptr<Machine> machine_;
};

}  // namespace ivr
