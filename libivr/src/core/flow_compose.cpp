#include <algorithm>
#include <map>
#include <utility>

#include "core/flow_json.hpp"
#include "core/flow_names.hpp"
#include "ivr/flow_sources.hpp"

namespace ivr {

namespace {

using flow::Json;
using flow::pointer_to;

constexpr std::size_t kMaxParts = 100, kMaxPartDepth = 16;
constexpr const char* kMerged[] = {"variables", "calendars", "lists", "voices", "nodes"};
constexpr std::string_view kOpens = "${ENV:";

class FlowComposer {
 public:
  FlowComposer(const FlowSources& sources, ComposedFlow& out) : sources_(sources), out_(out) {}

  void compose(std::string_view text) {
    std::vector<Finding> defects;
    Json document = flow::parse_document(text, defects);
    out_.json = std::string(text);
    // What is wrong with the text itself the check of the flow tells.
    if (!defects.empty() || !document.is_object()) return;
    const bool includes = document.contains("include");
    if (includes) {
      for (const char* field : kMerged) {
        if (const auto own = document.find(field); own != document.end() && own->is_object())
          for (const auto& [name, value] : own->items())
            owners_[pointer_to(std::string("/") + field, name)] = "the document";
      }
      include_all(document, "", document);
      document.erase("include");
    }
    const bool changed =
        sources_.environment && substitute(document, "", document.value("secrets", Json::array()));
    if (includes || changed) out_.json = document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  }

 private:
  void error(std::string rule, std::string pointer, std::string message, std::string mend) {
    out_.findings.push_back(
        {std::move(rule), Severity::error, std::move(pointer), std::move(message), std::move(mend)});
  }

  void include_all(const Json& part, const std::string& path, Json& into) {
    if (!part.contains("include")) return;
    const Json list = part["include"];  // `into` may be the same object, and grows
    const std::string who = path.empty() ? "" : "'" + path + "': ";
    if (!list.is_array()) {
      return error("bad-include", "/include", who + "'include' is a list of names",
                   "write [\"common.json\"]");
    }
    for (std::size_t i = 0; i < list.size(); ++i) {
      const std::string at = path.empty() ? "/include/" + std::to_string(i) : "/include";
      if (!list[i].is_string()) {
        error("bad-include", at, who + "the name of a text is a text", "write [\"common.json\"]");
        continue;
      }
      include_one(list[i].get_ref<const std::string&>(), path, at, who, into);
    }
  }

  void include_one(const std::string& name, const std::string& from, const std::string& at,
                   const std::string& who, Json& into) {
    if (!sources_.include) {
      return error("bad-include", at, "'" + name + "' is to be included, and nothing can be here",
                   "put all of it into one document");
    }
    auto part = sources_.include(name, from);
    if (!part.ok()) {
      return error("bad-include", at,
                   who + "'" + name + "' cannot be included: " + std::string(part.status().message()),
                   "names are relative to the text that includes");
    }
    if (const auto again = std::find(way_.begin(), way_.end(), part->path); again != way_.end()) {
      std::string round;
      for (auto one = again; one != way_.end(); ++one) round += "'" + *one + "' -> ";
      return error("include-cycle", at, round + "'" + part->path + "': a text that includes itself",
                   "move what both need into a third one");
    }
    if (std::find(out_.parts.begin(), out_.parts.end(), part->path) != out_.parts.end()) return;
    if (out_.parts.size() == kMaxParts || way_.size() == kMaxPartDepth) {
      return error("out-of-range", at,
                   out_.parts.size() == kMaxParts ? "more than 100 texts are included"
                                                  : "texts include each other 17 deep, at most 16",
                   "put some of them together");
    }
    out_.parts.push_back(part->path);
    way_.push_back(part->path);
    merge(*part, at, into);
    way_.pop_back();
  }

  void merge(const FlowPart& part, const std::string& at, Json& into) {
    std::vector<Finding> defects;
    Json json = flow::parse_document(part.json, defects);
    for (const Finding& defect : defects)
      error(defect.rule, at, "'" + part.path + "'" + defect.pointer + ": " + defect.message, defect.mend);
    if (!defects.empty()) return;
    if (!json.is_object()) return error("bad-include", at, "'" + part.path + "' is no JSON object", "");
    for (const auto& [field, value] : json.items()) {
      if (field == "include" || field == "comment" || field == "$schema") continue;
      const bool named = std::find(std::begin(kMerged), std::end(kMerged), field) != std::end(kMerged);
      if (field == "secrets" && value.is_array()) {
        if (!into.contains("secrets")) into["secrets"] = Json::array();
        if (!into["secrets"].is_array()) continue;
        for (const Json& secret : value) into["secrets"].push_back(secret);
      } else if (!named || !value.is_object()) {
        error("bad-include", at,
              "'" + part.path + "': '" + field + "' " +
                  (named || field == "secrets" ? "is of another type" : "cannot be included"),
              "what is included has nodes, variables, secrets, calendars, lists and voices");
      } else {
        merge_names(field, value, part.path, at, into);
      }
    }
    include_all(json, part.path, into);
  }

  void merge_names(const std::string& field, const Json& names, const std::string& path,
                   const std::string& at, Json& into) {
    if (!into.contains(field)) into[field] = Json::object();
    if (!into[field].is_object()) return;
    for (const auto& [name, value] : names.items()) {
      const auto [owner, fresh] = owners_.emplace(pointer_to("/" + field, name), path);
      if (fresh) {
        into[field][name] = value;
      } else {
        error("include-collision", at,
              owner->first + " is in '" + path + "' and in " +
                  (owner->second == "the document" ? owner->second : "'" + owner->second + "'"),
              "rename one of the two");
      }
    }
  }

  // ------------------------------------------------------------------------------------------ environment

  bool substitute(Json& json, const std::string& pointer, const Json& secrets) {
    if (json.is_string()) return substitute_text(json.get_ref<std::string&>(), pointer, secrets);
    if (!json.is_structured()) return false;
    bool changed = false;
    if (json.is_array()) {
      for (std::size_t i = 0; i < json.size(); ++i)
        changed = substitute(json[i], pointer + "/" + std::to_string(i), secrets) || changed;
    } else {
      for (auto& [key, value] : json.get_ref<Json::object_t&>())
        changed = substitute(value, pointer_to(pointer, key), secrets) || changed;
    }
    return changed;
  }

  bool substitute_text(std::string& text, const std::string& pointer, const Json& secrets) {
    std::string out;
    std::size_t done = 0;
    for (std::size_t at = text.find(kOpens); at != std::string::npos; at = text.find(kOpens, done)) {
      const std::size_t name_at = at + kOpens.size(), end = text.find('}', name_at);
      const std::string name = text.substr(name_at, end == std::string::npos ? end : end - name_at);
      if (at > done && text[at - 1] == '$') {  // "$${ENV:": as it stands
        out.append(text, done, at - 1 - done);
        out += kOpens;
        done = name_at;
        continue;
      }
      if (end == std::string::npos || !flow::is_name(name)) {
        error("bad-environment", pointer,
              "'" + text.substr(at, 40) + "' names no variable of the environment",
              "write ${ENV:NAME}, or $${ENV: where the text itself is meant");
        return false;
      }
      out.append(text, done, at - done);
      done = end + 1;
      if (is_secret(pointer, secrets)) {
        error("secret-in-document", pointer,
              "the value of a secret would be in the document, its versions and its digest",
              "declare it as null, and let the host set it when a call starts");
        continue;
      }
      if (const auto value = sources_.environment(name)) {
        out += *value;
      } else {
        error("unset-environment", pointer, "the environment has no '" + name + "'",
              "set it, or pass it on: --env " + name);
      }
    }
    if (done == 0 && out.empty()) return false;
    out.append(text, done, std::string::npos);
    text = std::move(out);
    return true;
  }

  static bool is_secret(const std::string& pointer, const Json& secrets) {
    constexpr std::string_view kVariables = "/variables/";
    if (pointer.rfind(kVariables, 0) != 0 || !secrets.is_array()) return false;
    const std::string name =
        pointer.substr(kVariables.size(), pointer.find('/', kVariables.size()) - kVariables.size());
    return std::any_of(secrets.begin(), secrets.end(), [&](const Json& one) { return one == name; });
  }

  const FlowSources& sources_;
  ComposedFlow& out_;
  std::map<std::string, std::string> owners_;  // of names, by pointer
  std::vector<std::string> way_;               // of paths: what includes what is read now
};

}  // namespace

ComposedFlow compose_flow(std::string_view json, const FlowSources& sources) {
  ComposedFlow out;
  FlowComposer(sources, out).compose(json);
  return out;
}

}  // namespace ivr
