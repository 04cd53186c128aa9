#include "core/flow_api.hpp"

#include <algorithm>
#include <utility>

#include "core/flow_fields.hpp"

namespace ivr::flow {

// -------------------------------------------------------------------------------------- in the document

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
    a.into_is_secret = a.into >= 0 && context_.variable(a.into).secret;
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

bool settle_secrets(ApiNode& a, FieldContext& context) {
  bool became = false;
  const auto keep = [&](int slot) {
    if (slot >= 0) became |= !std::exchange(context.variable(slot).secret, true);
  };
  a.secret_reply.clear();
  if (a.into_is_secret) a.secret_reply = {""};
  for (ApiNode::Mapping& m : a.map) {
    m.secret |= a.into_is_secret || (m.into >= 0 && context.variable(m.into).secret);
    if (!m.secret) continue;
    keep(m.into);
    keep(a.into);
    if (a.into_is_secret) continue;
    std::string pointer;
    for (const std::string& part : m.path) pointer = pointer_to(pointer, part);
    a.secret_reply.push_back(std::move(pointer));
  }
  return became;
}

// ------------------------------------------------------------------------------------------ the request

namespace {

std::string base64(std::string_view in) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  std::uint32_t bits = 0;
  int have = 0;
  for (const char c : in) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    for (have += 8; have >= 6; have -= 6) out += kDigits[bits >> (have - 6) & 63];
  }
  if (have > 0) out += kDigits[bits << (6 - have) & 63];
  while (out.size() % 4) out += '=';
  return out;
}

// Writes the values into the body's texts, in the order in which they were compiled.
void fill(Json& json, const ApiNode& a, std::size_t& next, Reader& reader) {
  if (json.is_string()) {
    std::string text;
    append_json(a.body_texts[next++].value(reader), text);
    json = Json::parse(text, nullptr, false);
    if (json.is_discarded()) json = nullptr;
  } else if (json.is_structured()) {
    for (Json& one : json) fill(one, a, next, reader);
  }
}

bool brings_its_type(const ApiNode& a) {
  return std::any_of(a.headers.begin(), a.headers.end(), [](const auto& h) {
    return h.first.size() == 12 && std::equal(h.first.begin(), h.first.end(), "content-type",
                                              [](char x, char y) { return (x | 32) == y; });
  });
}

}  // namespace

absl::StatusOr<HttpRequest> api_request(const ApiNode& a, Reader& reader) {
  reader.clear();
  HttpRequest request;
  request.method = a.method;
  a.url.render(reader, Escape::url, request.url);
  std::string query;
  const auto ask = [&](std::string_view key, const Template& value) {
    if (!query.empty()) query += '&';
    append_escaped(key, Escape::url, query);
    query += '=';
    std::string text;
    value.render(reader, Escape::none, text);
    append_escaped(text, Escape::url, query);
  };
  for (const auto& [key, value] : a.query) ask(key, value);
  const auto header = [&](std::string key, const Template& value, std::string_view before = {}) {
    std::string text(before);
    value.render(reader, Escape::header, text);
    request.headers.emplace_back(std::move(key), std::move(text));
  };
  for (const auto& [key, value] : a.headers) header(key, value);
  switch (a.auth) {
    case ApiNode::Auth::none: break;
    case ApiNode::Auth::bearer: header("Authorization", a.token, "Bearer "); break;
    case ApiNode::Auth::basic: {
      std::string pair;
      a.user.render(reader, Escape::none, pair);
      pair += ':';
      a.password.render(reader, Escape::none, pair);
      request.headers.emplace_back("Authorization", "Basic " + base64(pair));
      break;
    }
    case ApiNode::Auth::key:
      if (a.key_in_query) {
        ask(a.key_name, a.token);
      } else {
        header(a.key_name, a.token);
      }
      break;
  }
  if (!query.empty()) {
    // Before a fragment there is none to expect: it is never sent (RFC 9110, 4.2.5).
    request.url += request.url.find('?') == std::string::npos ? '?' : '&';
    request.url += query;
  }
  switch (a.body_kind) {
    case ApiNode::Body::none: break;
    case ApiNode::Body::json: {
      std::size_t next = 0;
      Json json = a.body;
      fill(json, a, next, reader);
      request.body = json.dump(-1, ' ', false, Json::error_handler_t::replace);
      break;
    }
    case ApiNode::Body::text: {
      const bool json = a.content_type.find("json") != std::string::npos,
                 form = a.content_type.find("form-urlencoded") != std::string::npos;
      a.body_text.render(reader, json ? Escape::json : form ? Escape::url : Escape::none, request.body);
      break;
    }
  }
  if (a.body_kind != ApiNode::Body::none && !brings_its_type(a))
    request.headers.emplace_back("Content-Type", a.content_type);
  request.timeout = a.timeout;
  request.secret_reply = a.secret_reply;
  request.secret = reader.secret || a.auth != ApiNode::Auth::none;
  if (request.url.rfind("http://", 0) != 0 && request.url.rfind("https://", 0) != 0) {
    return absl::InvalidArgumentError("'" + (request.secret ? "***" : request.url) + "' is no http address");
  }
  return request;
}

// -------------------------------------------------------------------------------------------- the reply

bool expects(const ApiNode& a, int status) {
  return std::any_of(a.expect.begin(), a.expect.end(),
                     [&](const auto& range) { return status >= range.first && status <= range.second; });
}

// No reply, overload, or the server's own trouble (RFC 9110, 15.6; 429 is RFC 6585).
bool worth_another_try(const HttpReply& reply) {
  return reply.status == 0 || reply.status >= 500 || reply.status == 429;
}

bool timed_out(const HttpReply& reply) {
  if (reply.status != 0) return false;
  std::string lower(reply.error);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return lower.find("timeout") != lower.npos || lower.find("timed out") != lower.npos ||
         lower.find("deadline") != lower.npos;
}

ApiReply::ApiReply(const std::string& body) : body_(body), json_(Json::parse(body, nullptr, false)) {}

Value ApiReply::whole() const { return json_.is_discarded() ? Value(body_) : value_of(json_); }

namespace {

bool is_stars(const View& v) {
  const auto* text = std::get_if<std::string_view>(&v);
  return text != nullptr && *text == "***";
}

}  // namespace

bool ApiReply::hidden(const ApiNode::Mapping& mapping) const {
  if (!mapping.secret) return false;
  // What is no JSON is hidden whole, and had nothing to take at a path.
  if (json_.is_discarded()) return mapping.path.empty() && body_ == "***";
  return is_stars(view(json_)) || is_stars(step_into(view(json_), mapping.path));
}

bool ApiReply::hides_some(const ApiNode& node) const {
  if (node.into_is_secret && is_stars(json_.is_discarded() ? View(std::string_view(body_)) : view(json_)))
    return true;
  const bool whole = json_.is_discarded() && body_ == "***";
  return std::any_of(node.map.begin(), node.map.end(),
                     [&](const auto& m) { return hidden(m) || (whole && m.secret); });
}

absl::StatusOr<Value> ApiReply::take(const ApiNode::Mapping& mapping, Reader& reader) const {
  reader.clear();
  View v;
  if (!json_.is_discarded()) {
    v = step_into(view(json_), mapping.path);
  } else if (mapping.path.empty()) {
    v = std::string_view(body_);
  }
  v = Template::apply(mapping.transforms, v, reader);
  if (exists(v)) return own(v);
  if (mapping.fallback) return *mapping.fallback;
  return absl::NotFoundError(
      (json_.is_discarded() ? "the reply is no JSON, so it has no '" : "the reply has no '") + mapping.from +
      "'");
}

}  // namespace ivr::flow
