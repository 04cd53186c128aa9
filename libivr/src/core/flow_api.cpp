#include "core/flow_api.hpp"

#include <algorithm>

#include "core/flow_fields.hpp"

namespace ivr::flow {

namespace {

// "/a/0/b" (RFC 6901) or "a.0.b".
std::vector<std::string> split_path(const std::string& from) {
  std::vector<std::string> path;
  if (from.empty()) return path;
  const bool pointer = from[0] == '/';
  std::string part;
  for (std::size_t i = pointer ? 1 : 0; i <= from.size(); ++i) {
    if (i == from.size() || from[i] == (pointer ? '/' : '.')) {
      path.push_back(std::move(part));
      part.clear();
    } else if (pointer && from[i] == '~' && i + 1 < from.size()) {
      part += from[++i] == '1' ? '/' : '~';
    } else {
      part += from[i];
    }
  }
  return path;
}

class ApiReader {
 public:
  ApiReader(const std::string& pointer, FieldContext& context) : pointer_(pointer), context_(context) {}

  void read(ApiNode& a, Fields& f) {
    static const std::vector<std::string> kMethods = {"GET",    "POST", "PUT",    "PATCH",
                                                      "DELETE", "HEAD", "OPTIONS"};
    if (const std::string method = f.text("method"); !method.empty()) {
      a.method = method;
      if (std::find(kMethods.begin(), kMethods.end(), method) == kMethods.end()) {
        context_.error("unknown-method", pointer_ + "/method",
                       "no method '" + method + "'" + suggestion(method, kMethods), "");
      }
    }
    a.url = f.templ("url", true);
    if (a.url.is_literal() && !a.url.empty() && a.url.literal().find("://") == std::string::npos) {
      context_.error("bad-url", pointer_ + "/url", "'" + a.url.literal() + "' is no address",
                     "begin it with http:// or https://");
    }
    for (const auto& [field, into] : {std::pair{"query", &a.query}, std::pair{"headers", &a.headers}}) {
      if (const Json* pairs = f.object(field)) {
        for (const auto& [key, value] : pairs->items()) {
          const std::string at = pointer_to(pointer_to(pointer_, field), key);
          if (into == &a.headers && !is_token(key))
            context_.error("bad-name", at, "'" + key + "' is no name for a header", "");
          into->emplace_back(key, context_.templ(value, at));
        }
      }
    }
    auth(a, f);
    if (const Json* body = f.get("body")) {
      if (body->is_string()) {
        a.body_kind = ApiNode::Body::text;
        a.body_text = context_.templ(*body, pointer_ + "/body");
      } else {
        a.body_kind = ApiNode::Body::json;
        a.body = *body;
        compile_body(a.body, pointer_ + "/body", a.body_texts);
      }
    }
    a.content_type = f.text("content_type");
    if (a.content_type.empty())
      a.content_type = a.body_kind == ApiNode::Body::json ? "application/json" : "text/plain; charset=utf-8";
    a.timeout = f.duration("timeout", 5s, 10ms, 5min);
    a.retries = f.integer("retries", 0, 0, 10);
    a.backoff = f.duration("backoff", 500ms, 0ms, 1min);
    expect(a, f);
    mapping(a, f);
    a.into = f.variable("into");
    a.filler = f.say("filler");
    a.filler_after = f.duration("filler_after", 1500ms, 0ms, 1min);
  }

 private:
  void auth(ApiNode& a, Fields& f) {
    const Json* json = f.object("auth");
    if (!json) return;
    static const std::vector<std::string> kTypes = {"none", "bearer", "basic", "key"};
    Fields c(context_, *json, pointer_ + "/auth");
    const std::string type = c.text("type", true);
    if (type == "bearer") {
      a.auth = ApiNode::Auth::bearer;
      a.token = c.templ("token", true);
    } else if (type == "basic") {
      a.auth = ApiNode::Auth::basic;
      a.user = c.templ("user", true);
      a.password = c.templ("password", true);
    } else if (type == "key") {
      a.auth = ApiNode::Auth::key;
      a.token = c.templ("key", true);
      a.key_name = c.text("header");
      if (const std::string query = c.text("query"); !query.empty()) {
        if (!a.key_name.empty())
          context_.error("conflict", pointer_ + "/auth/query",
                         "a key goes into 'header' or 'query', not both", "");
        a.key_name = query;
        a.key_in_query = true;
      }
      if (a.key_name.empty()) a.key_name = "X-API-Key";
    } else if (type != "none" && !type.empty()) {
      context_.error("unknown-kind", pointer_ + "/auth/type",
                     "no kind of authentication '" + type + "'" + suggestion(type, kTypes), "");
      c.ignore_rest();
    }
    c.done();
  }

  void compile_body(const Json& json, const std::string& at, std::vector<Template>& texts) {
    if (json.is_string()) {
      texts.push_back(context_.templ(json, at));
    } else if (json.is_object()) {
      for (const auto& [key, value] : json.items()) compile_body(value, pointer_to(at, key), texts);
    } else if (json.is_array()) {
      for (std::size_t i = 0; i < json.size(); ++i)
        compile_body(json[i], at + "/" + std::to_string(i), texts);
    }
  }

  void expect(ApiNode& a, Fields& f) {
    const Json* list = f.array("expect");
    if (!list) return;
    a.expect.clear();
    for (std::size_t i = 0; i < list->size(); ++i) {
      const std::string at = pointer_ + "/expect/" + std::to_string(i);
      const Json& one = (*list)[i];
      const std::string text = one.is_string()           ? one.get<std::string>()
                               : one.is_number_integer() ? one.dump()
                                                         : "";
      if (const auto range = context_.status(text, at); range.first) a.expect.push_back(range);
    }
    if (list->empty())
      context_.error("out-of-range", pointer_ + "/expect", "no status is expected",
                     "list some, such as [200, \"2xx\"]");
  }

  void mapping(ApiNode& a, Fields& f) {
    const Json* map = f.object("map");
    if (!map) return;
    for (const auto& [name, rule] : map->items()) {
      const std::string at = pointer_to(pointer_ + "/map", name);
      ApiNode::Mapping m;
      m.into = context_.variable_name(name, at);
      if (rule.is_string()) {
        m.from = rule.get<std::string>();
      } else if (rule.is_object()) {
        Fields r(context_, rule, at);
        m.from = r.text("from", true);
        if (const Json* fallback = r.get("default")) m.fallback = value_of(*fallback);
        m.secret = r.boolean("secret", false);
        if (const Json* transform = r.get("transform")) {
          const Json one = Json::array({*transform});
          for (const Json& t : transform->is_array() ? *transform : one) {
            auto call = t.is_string() ? Template::parse_filter(t.get_ref<const std::string&>())
                                      : absl::StatusOr<Template::FilterCall>(absl::InvalidArgumentError(
                                            "a transform is a text such as \"round: 2\""));
            if (call.ok()) {
              m.transforms.push_back(*std::move(call));
            } else {
              context_.error("bad-transform", at + "/transform", std::string(call.status().message()), "");
            }
          }
        }
        r.done();
      } else {
        context_.error("wrong-type", at, "a mapping is a path such as \"/balance\", or an object with 'from'",
                       "");
      }
      m.path = split_path(m.from);
      if (m.secret && m.into >= 0) context_.variable(m.into).secret = true;
      a.map.push_back(std::move(m));
    }
  }

  const std::string& pointer_;
  FieldContext& context_;
};

}  // namespace

void read_api(ApiNode& node, const std::string& pointer, Fields& fields, FieldContext& context) {
  ApiReader(pointer, context).read(node, fields);
}

}  // namespace ivr::flow
