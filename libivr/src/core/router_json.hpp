#pragma once
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/json_writer.hpp"
#include "ivr/router.hpp"
#include "nlohmann/json.hpp"

// The router's words as JSON. Each struct lists its members once, and what they are called there they are
// called in the JSON; one visitor writes them, another reads them. Durations are milliseconds (Millis) or
// microseconds (Micros, Time), names are names, and a field that is left out keeps its default.

// Defines fields(io, x), which calls io("member", x.member) for each. A macro, since only that knows a member
// by name; it goes through the list by being looked at again and again, 64 times.
#define IVR_FIELDS(type, ...)                                      \
  template <class Io>                                              \
  void fields([[maybe_unused]] Io& io, [[maybe_unused]] type& x) { \
    __VA_OPT__(IVR_AGAIN(IVR_FIELD(__VA_ARGS__)))                  \
  }                                                                \
  static_assert(true)
#define IVR_FIELD(member, ...) \
  io(#member, x.member);       \
  __VA_OPT__(IVR_FIELD_NEXT IVR_PARENTHESES(__VA_ARGS__))
#define IVR_FIELD_NEXT() IVR_FIELD
#define IVR_PARENTHESES ()
#define IVR_AGAIN(...) IVR_AGAIN_16(IVR_AGAIN_16(IVR_AGAIN_16(IVR_AGAIN_16(__VA_ARGS__))))
#define IVR_AGAIN_16(...) IVR_AGAIN_4(IVR_AGAIN_4(IVR_AGAIN_4(IVR_AGAIN_4(__VA_ARGS__))))
#define IVR_AGAIN_4(...) IVR_AGAIN_1(IVR_AGAIN_1(IVR_AGAIN_1(IVR_AGAIN_1(__VA_ARGS__))))
#define IVR_AGAIN_1(...) __VA_ARGS__

namespace ivr::routing {

using Json = nlohmann::ordered_json;

// The names of an enum, by value.
template <class E>
struct Names;
template <>
struct Names<AgentState> {
  static constexpr std::string_view all[] = {"available", "on_call", "wrap_up", "on_break", "offline"};
};
template <>
struct Names<Unavailable> {
  static constexpr std::string_view all[] = {"none",    "paused",      "penalty", "in_use",
                                             "ringing", "unreachable", "offline", "wrap_up",
                                             "delayed", "unskilled",   "tried",   "unknown"};
};
template <>
struct Names<acd::Leave::Why> {
  static constexpr std::string_view all[] = {"hung_up", "key", "moved", "timeout"};
};
template <>
struct Names<acd::TalkEnded::By> {
  static constexpr std::string_view all[] = {"unknown", "caller", "agent", "transfer", "attended"};
};
template <>
struct Names<acd::Refused::Why> {
  static constexpr std::string_view all[] = {"no_answer", "busy", "rejected", "unreachable"};
};
template <>
struct Names<acd::Exit> {
  static constexpr std::string_view all[] = {"served", "timeout", "full",     "unavailable", "abandoned",
                                             "key",    "moved",   "callback", "system"};
};

IVR_FIELDS(Skill, name, level);
IVR_FIELDS(AgentOptions, id, name, department, uri, user, skills, capacity, score, wrap_up, no_answer_delay,
           busy_delay, reject_delay, max_misses, after_misses, standby, music);
IVR_FIELDS(QueueMember, agent, penalty, position);
IVR_FIELDS(QueueStep, after, min_penalty, max_penalty, raise_penalty, drop_preferred, required, skip_if);
IVR_FIELDS(TierRules, apply, wait, multiply_by_level, skip_empty);
IVR_FIELDS(QueueAnnouncements, first, every, at_least, only_when_improved, more_than, wait_time, rounding,
           periodic, periodic_messages, periodic_random);
IVR_FIELDS(QueueOptions, id, strategy, members, department, required, preferred, steps, tiers, max_size,
           max_wait, ring_limit, retry, ring_progressively, wrap_up, weight, age_score, age_from_system,
           autofill, shared_last_call, oldest_first, once, join_empty, leave_empty, sticky, resume, announce,
           service_level, short_abandon, callback_tries, callback_retry, music);

IVR_FIELDS(acd::AgentSet, agent);
IVR_FIELDS(acd::AgentRemoved, agent);
IVR_FIELDS(acd::QueueSet, queue);
IVR_FIELDS(acd::QueueRemoved, queue);
IVR_FIELDS(acd::AgentStatus, agent, state, reason);
IVR_FIELDS(acd::AgentReachable, agent, reachable);
IVR_FIELDS(acd::AgentBusy, agent, channel, contacts);
IVR_FIELDS(acd::Join, call, queue, caller, channel, priority, required, preferred, agent, direct);
IVR_FIELDS(acd::Leave, call, why, key);
IVR_FIELDS(acd::Move, call, queue);
IVR_FIELDS(acd::CallbackRequested, call, number);
IVR_FIELDS(acd::CallbackDialled, entry, call, answered);
IVR_FIELDS(acd::Ringing, offer);
IVR_FIELDS(acd::Accepted, offer);
IVR_FIELDS(acd::Refused, offer, why);
IVR_FIELDS(acd::TalkEnded, offer, by, target);
IVR_FIELDS(acd::Restarted);
IVR_FIELDS(acd::Tick);

IVR_FIELDS(acd::Offer, offer, entry, call, agent, queue, ring_limit);
IVR_FIELDS(acd::Withdraw, offer, why);
IVR_FIELDS(acd::Connect, offer, entry, call, agent, waited, tried);
IVR_FIELDS(acd::Left, entry, call, queue, exit, agent, waited, talked, tried);
IVR_FIELDS(acd::Joined, entry, call, queue, position, resumed);
IVR_FIELDS(acd::Announce, entry, call, position, more_than, wait, message);
IVR_FIELDS(acd::DialCallback, entry, number, queue, attempt);
IVR_FIELDS(acd::AgentChanged, agent, state, contacts, reason);
IVR_FIELDS(acd::Decided::Candidate, agent, why, rank, metric);
IVR_FIELDS(acd::Decided, decision, entry, call, queue, strategy, candidates, others, step, required);

// ------------------------------------------------------------------------------------------- writing

class FieldWriter {
 public:
  explicit FieldWriter(JsonWriter& json) : json_(json) {}

  template <class T>
  void operator()(std::string_view name, const T& x) {
    json_.key(name);
    write(json_, x);
  }
  template <class T>
  void operator()(std::string_view name, const std::optional<T>& x) {
    if (x) (*this)(name, *x);
  }

  template <class T>
  static void write(JsonWriter& json, const T& x) {
    if constexpr (std::is_integral_v<T> || std::is_same_v<T, std::string>) {
      json.value(x);
    } else if constexpr (std::is_floating_point_v<T>) {
      char buffer[32];
      const auto end = std::to_chars(buffer, buffer + sizeof buffer, x).ptr;
      json.raw({buffer, static_cast<std::size_t>(end - buffer)});
    } else if constexpr (std::is_enum_v<T>) {
      json.value(Names<T>::all[static_cast<std::size_t>(x)]);
    } else if constexpr (std::is_same_v<T, Millis> || std::is_same_v<T, Micros>) {
      json.value(x.count());
    } else if constexpr (std::is_same_v<T, Time>) {
      json.value(x.time_since_epoch().count());
    } else if constexpr (std::is_same_v<T, SkillExpression>) {
      if (x.is_list()) return write(json, x.all());
      json.value(x.text());
    } else {
      write_compound(json, x);
    }
  }

 private:
  template <class T>
  static void write_compound(JsonWriter& json, const std::vector<T>& x) {
    json.open('[');
    for (const T& one : x) write(json, one);
    json.close(']');
  }
  template <class K, class T>
  static void write_compound(JsonWriter& json, const std::map<K, T>& x) {
    json.open('{');
    for (const auto& [key, value] : x) {
      if constexpr (std::is_same_v<K, std::string>) {
        json.key(key);
      } else {
        json.key(std::to_string(key));
      }
      write(json, value);
    }
    json.close('}');
  }
  template <class T>
  static void write_compound(JsonWriter& json, const T& x) {
    json.open('{');
    FieldWriter writer(json);
    fields(writer, const_cast<T&>(x));  // the same list reads, so it takes what can be written to
    json.close('}');
  }
  JsonWriter& json_;
};

// ------------------------------------------------------------------------------------------- reading

// Keeps the first thing that is wrong, with where it is.
class FieldReader {
 public:
  FieldReader(const Json& object, std::string path, std::string& error)
      : object_(object), path_(std::move(path)), error_(error) {}

  template <class T>
  void operator()(std::string_view name, T& x) {
    const auto at = object_.find(std::string(name));
    if (at != object_.end()) {
      ++read_;
      read(*at, x, path_ + "/" + std::string(name), error_);
    }
  }
  // A name that nobody asked for is a mistake of the writer.
  void finish(std::size_t others = 0) const {
    if (error_.empty() && read_ + others != object_.size()) error_ = path_ + ": there are unknown fields";
  }

  template <class T>
  static void read(const Json& json, T& x, const std::string& path, std::string& error) {
    if (!error.empty()) return;
    const auto wrong = [&](std::string_view what) {
      error = (path.empty() ? "/" : path) + ": expected " + std::string(what) + ", not " +
              json.dump(-1, ' ', true, Json::error_handler_t::replace).substr(0, 40);
    };
    if constexpr (std::is_same_v<T, bool>) {
      if (!json.is_boolean()) return wrong("true or false");
      x = json.get<bool>();
    } else if constexpr (std::is_integral_v<T>) {
      if (!integer(json, x)) return wrong("an integer in range");
    } else if constexpr (std::is_floating_point_v<T>) {
      if (!json.is_number()) return wrong("a number");
      x = json.get<T>();
    } else if constexpr (std::is_same_v<T, std::string>) {
      if (!json.is_string()) return wrong("a text");
      x = json.get<std::string>();
    } else if constexpr (std::is_enum_v<T>) {
      const std::string name = json.is_string() ? json.get<std::string>() : std::string();
      const auto* at = std::find(std::begin(Names<T>::all), std::end(Names<T>::all), name);
      if (at == std::end(Names<T>::all)) return wrong("one of the names");
      x = static_cast<T>(at - std::begin(Names<T>::all));
    } else if constexpr (std::is_same_v<T, Millis> || std::is_same_v<T, Micros>) {
      std::int64_t count = 0;
      if (!integer(json, count)) return wrong("an integer in range");
      x = T(count);
    } else if constexpr (std::is_same_v<T, Time>) {
      std::int64_t count = 0;
      if (!integer(json, count)) return wrong("an integer in range");
      x = Time(Micros(count));
    } else if constexpr (std::is_same_v<T, SkillExpression>) {
      if (!json.is_string()) {
        std::vector<Skill> list;
        read(json, list, path, error);
        x = std::move(list);
        return;
      }
      auto parsed = SkillExpression::parse(json.get_ref<const std::string&>());
      if (parsed.ok()) {
        x = *std::move(parsed);
      } else {
        error = path + ": " + std::string(parsed.status().message());
      }
    } else {
      read_compound(json, x, path, error);
    }
  }

 private:
  template <class T>
  static bool integer(const Json& json, T& x) {
    if (json.is_number_unsigned()) {
      const auto value = json.get<std::uint64_t>();
      if (value > static_cast<std::uint64_t>(std::numeric_limits<T>::max())) return false;
      x = static_cast<T>(value);
      return true;
    }
    if (!json.is_number_integer()) return false;
    const auto value = json.get<std::int64_t>();
    if constexpr (std::is_unsigned_v<T>) {
      if (value < 0) return false;
    } else {
      if (value < std::numeric_limits<T>::min() || value > std::numeric_limits<T>::max()) return false;
    }
    x = static_cast<T>(value);
    return true;
  }
  template <class T>
  static void read_compound(const Json& json, std::optional<T>& x, const std::string& path,
                            std::string& error) {
    read(json, x.emplace(), path, error);
  }
  template <class T>
  static void read_compound(const Json& json, std::vector<T>& x, const std::string& path,
                            std::string& error) {
    if (!json.is_array()) {
      error = path + ": expected a list";
      return;
    }
    x.clear();
    for (std::size_t i = 0; i < json.size() && error.empty(); ++i) {
      if constexpr (std::is_same_v<T, bool>) {
        bool one = false;
        read(json[i], one, path + "/" + std::to_string(i), error);
        x.push_back(one);
      } else {
        read(json[i], x.emplace_back(), path + "/" + std::to_string(i), error);
      }
    }
  }
  template <class K, class T>
  static void read_compound(const Json& json, std::map<K, T>& x, const std::string& path,
                            std::string& error) {
    if (!json.is_object()) {
      error = path + ": expected an object";
      return;
    }
    x.clear();
    for (const auto& [key, value] : json.items()) {
      K k{};
      if constexpr (std::is_same_v<K, std::string>) {
        k = key;
      } else {
        const auto [end, code] = std::from_chars(key.data(), key.data() + key.size(), k);
        if (code != std::errc() || end != key.data() + key.size()) {
          error = path + ": '" + key + "' is no number";
          return;
        }
      }
      read(value, x[k], path + "/" + key, error);
    }
  }
  template <class T>
  static void read_compound(const Json& json, T& x, const std::string& path, std::string& error) {
    if (!json.is_object()) {
      error = (path.empty() ? "/" : path) + ": expected an object";
      return;
    }
    FieldReader reader(json, path, error);
    fields(reader, x);
    reader.finish();
  }

  const Json& object_;
  std::string path_;
  std::string& error_;
  std::size_t read_ = 0;
};

}  // namespace ivr::routing
