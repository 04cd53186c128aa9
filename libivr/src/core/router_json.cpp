#include "core/router_json.hpp"

// Events and commands as lines of JSON: {"type":"join","call":"...", ...}.

namespace ivr::acd {

using namespace routing;

namespace {

constexpr std::string_view kEvents[] = {
    "agent_set",  "agent_removed", "queue_set", "queue_removed", "agent_status",       "agent_reachable",
    "agent_busy", "join",          "leave",     "move",          "callback_requested", "callback_dialled",
    "ringing",    "accepted",      "refused",   "talk_ended",    "restarted",          "tick"};
constexpr std::string_view kCommands[] = {"offer",    "withdraw",      "connect",       "left",   "joined",
                                          "announce", "dial_callback", "agent_changed", "decided"};
static_assert(std::size(kEvents) == std::variant_size_v<Event>);
static_assert(std::size(kCommands) == std::variant_size_v<Command>);

template <class Variant, std::size_t N>
std::string write(const Variant& what, const std::string_view (&names)[N]) {
  std::string text;
  JsonWriter json(text);
  json.open('{').field("type", names[what.index()]);
  std::visit(
      [&json](const auto& x) {
        FieldWriter writer(json);
        fields(writer, const_cast<std::remove_cvref_t<decltype(x)>&>(x));  // only read, see FieldWriter
      },
      what);
  json.close('}');
  return text;
}

template <std::size_t I, class Variant>
void read(const Json& json, std::size_t type, Variant& what, std::string& error) {
  if constexpr (I < std::variant_size_v<Variant>) {
    if (I != type) return read<I + 1>(json, type, what, error);
    auto& x = what.template emplace<I>();
    FieldReader reader(json, "", error);
    fields(reader, x);
    reader.finish(1);  // the type
  }
}

template <class Variant, std::size_t N>
absl::StatusOr<Variant> parse(std::string_view text, std::string_view kind,
                              const std::string_view (&names)[N]) {
  const Json json = Json::parse(text.begin(), text.end(), nullptr, false);
  if (json.is_discarded() || !json.is_object()) {
    return absl::InvalidArgumentError("not a JSON object: " + std::string(text.substr(0, 40)));
  }
  const auto at = json.find("type");
  if (at == json.end() || !at->is_string()) {
    return absl::InvalidArgumentError("/type: each " + std::string(kind) + " needs one, as in {\"type\":\"" +
                                      std::string(names[0]) + "\"}");
  }
  const auto name = at->template get<std::string>();
  const auto* type = std::find(std::begin(names), std::end(names), name);
  if (type == std::end(names)) {
    return absl::InvalidArgumentError("/type: no " + std::string(kind) + " '" + name + "'");
  }
  Variant what;
  std::string error;
  read<0>(json, static_cast<std::size_t>(type - std::begin(names)), what, error);
  if (!error.empty()) return absl::InvalidArgumentError(error);
  return what;
}

}  // namespace

std::string to_json(const Event& event) { return write(event, kEvents); }
std::string to_json(const Command& command) { return write(command, kCommands); }

absl::StatusOr<Event> event_from_json(std::string_view text) { return parse<Event>(text, "event", kEvents); }
absl::StatusOr<Command> command_from_json(std::string_view text) {
  return parse<Command>(text, "command", kCommands);
}

}  // namespace ivr::acd
