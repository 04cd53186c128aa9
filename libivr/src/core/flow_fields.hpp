#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "core/flow_model.hpp"

// Reads a document's objects field by field and reports everything that is not as it should be: each field is
// asked for once, with its type, limits and default; what was never asked for is unknown.

namespace ivr::flow {

std::string shown(const Json& json);  // for messages: what does not fit is cut off

// Reads nothing: for expressions without variables.
class ConstantReader : public Reader {
 public:
  View read(const Path&) override { return {}; }
};

class FieldContext {
 public:
  FieldContext(Model& model_in, std::vector<Finding>& findings, const std::vector<std::string>& node_names)
      : model(model_in), findings_(findings), node_names_(node_names) {}

  std::size_t found() const { return findings_.size(); }  // defects so far

  void error(std::string rule, std::string pointer, std::string message, std::string mend);
  void warning(std::string rule, std::string pointer, std::string message, std::string mend);
  bool had(const std::string& pointer) const {
    return defective_.contains(pointer);
  }  // an error is reported there

  void index_nodes();
  int target(const Json& json, const std::string& pointer);
  int menu_target(const Json& json, const std::string& pointer);  // a node's, kBack or kTop
  int language(std::string_view name, const std::string& pointer);
  int key(std::string_view key, const std::string& pointer);
  int variable_name(const std::string& name, const std::string& pointer);  // its slot
  Variable& variable(int slot);
  void calendar(const std::string& name, const std::string& pointer);
  std::pair<int, int> status(const std::string& text,
                             const std::string& pointer);  // "404" or "2xx"; {0, 0}: no status
  void queue(const std::string& name, const std::string& pointer);
  void agent(const std::string& name, const std::string& pointer);
  // One that nobody has is an error; when it is not to be had a warning.
  void skill(const std::string& name, const std::string& pointer, bool reached = true);
  std::vector<std::string> callers(const Json& json, const std::string& pointer);
  // Of callers, by name; empty for a list of the site.
  std::vector<std::string> list(const std::string& name, const std::string& pointer);
  Template templ(const Json& json, const std::string& pointer);
  Expression condition(const Json& json, const std::string& pointer);
  Millis duration(const Json& json, const std::string& pointer, Millis least, Millis most);

  Model& model;
  std::vector<std::string> calendars, site_lists;
  std::optional<std::vector<std::string>> queues, agents, skills;       // all of the site; none: not known
  std::vector<std::pair<std::string, std::vector<std::string>>> lists;  // of callers, by name

 private:
  std::vector<Finding>& findings_;
  const std::vector<std::string>& node_names_;
  absl::flat_hash_map<std::string, int> nodes_;
  absl::flat_hash_set<std::string> defective_, said_;
  int unknown_targets_ = 0;
};

class Fields {
 public:
  enum class Kind : std::uint8_t { object, array, string, number, boolean };

  Fields(FieldContext& context, const Json& json, std::string pointer)
      : context_(context), json_(json), pointer_(std::move(pointer)) {}

  const Json* get(std::string_view key, bool required = false);
  bool has(std::string_view key) const { return json_.find(std::string(key)) != json_.end(); }
  const Json* object(std::string_view key, bool required = false);
  const Json* array(std::string_view key, bool required = false);
  std::string text(std::string_view key, bool required = false);
  std::string name(std::string_view key, bool required = false);
  std::string keys(std::string_view key, std::string_view initial);  // a set of telephone keys
  bool boolean(std::string_view key, bool initial);
  int integer(std::string_view key, int initial, int least, int most);
  double number(std::string_view key, double initial, double least, double most, bool required = false);
  Millis duration(std::string_view key, Millis initial, Millis least, Millis most, bool required = false);
  int target(std::string_view key, bool required);            // node index
  int variable(std::string_view key, bool required = false);  // slot
  Template templ(std::string_view key, bool required = false);
  Expression condition(std::string_view key);
  Expression comparison(const std::string& variable, const std::string& op, std::string_view value_key);
  Say say(std::string_view key, bool required = false);
  Say announcement(std::string_view key);  // knows the caller's place in the queue
  std::vector<Say> says(std::string_view key);
  std::vector<Need> needs(std::string_view key);  // {"technical": 3} or ["technical"]
  Requirement requirement(std::string_view key);  // such a list, or a text: "technical >= 3 or sales"

  void ignore_rest() { ignore_ = true; }
  void done();  // reports the fields nobody asked for

 private:
  std::string at(std::string_view key) const { return pointer_to(pointer_, key); }
  const Json* typed(std::string_view key, bool required, Kind kind);

  FieldContext& context_;
  const Json& json_;
  std::string pointer_;
  std::vector<std::string> known_;
  bool ignore_ = false;
};

}  // namespace ivr::flow
