#include "core/flow_template.hpp"

#include <algorithm>

namespace ivr::flow {

namespace {

constexpr std::size_t kMaxComputed = 2000;

absl::Status wrong(const std::string& message) { return absl::InvalidArgumentError(message); }

struct FilterRow {
  std::string_view name;
  Template::Filter filter;
  bool argument;
};
constexpr FilterRow kFilters[] = {
    {"default", Template::Filter::default_, true}, {"upper", Template::Filter::upper, false},
    {"lower", Template::Filter::lower, false},     {"trim", Template::Filter::trim, false},
    {"round", Template::Filter::round, true},      {"first", Template::Filter::first, true},
    {"last", Template::Filter::last, true},        {"length", Template::Filter::length, false},
    {"url", Template::Filter::url, false},         {"json", Template::Filter::json, false},
    {"raw", Template::Filter::raw, false},         {"number", Template::Filter::number, false},
    {"text", Template::Filter::text, false},
};

std::string_view trimmed(std::string_view s) {
  while (!s.empty() && is_space(s.front())) s.remove_prefix(1);
  while (!s.empty() && is_space(s.back())) s.remove_suffix(1);
  return s;
}

// The end of "{{ ... }}": the first "}}" outside quotes.
std::size_t closing(std::string_view text, std::size_t from) {
  char quote = 0;
  for (std::size_t i = from; i + 1 < text.size(); ++i) {
    if (quote) {
      if (text[i] == quote) quote = 0;
    } else if (text[i] == '\'' || text[i] == '"') {
      quote = text[i];
    } else if (text[i] == '}' && text[i + 1] == '}') {
      return i;
    }
  }
  return std::string_view::npos;
}

absl::StatusOr<Value> filter_argument(std::string_view text) {
  text = trimmed(text);
  if (text.size() >= 2 && (text.front() == '"' || text.front() == '\'') && text.back() == text.front()) {
    return std::string(text.substr(1, text.size() - 2));
  }
  if (text == "true" || text == "false") return text == "true";
  if (text == "null") return Value{};
  if (const auto n = number(View(text))) return own(view(*n));
  return wrong("a filter's argument is a number or a text in quotes, not " + in_quotes(text));
}

}  // namespace

absl::StatusOr<Template::FilterCall> Template::parse_filter(std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::string_view name = trimmed(text.substr(0, colon));
  const FilterRow* row = nullptr;
  for (const FilterRow& f : kFilters) row = f.name == name ? &f : row;
  if (!row) return wrong("no filter " + in_quotes(name) + suggestion(name, names_of(kFilters)));
  FilterCall call{row->filter, {}};
  if (colon != std::string_view::npos) {
    if (!row->argument) return wrong("filter '" + std::string(name) + "' takes no argument");
    auto argument = filter_argument(text.substr(colon + 1));
    if (!argument.ok()) return argument.status();
    call.argument = *std::move(argument);
  } else if (row->argument && row->filter != Filter::round) {
    return wrong("filter '" + std::string(name) + "' needs an argument, as in '" + std::string(name) +
                 ": 4'");
  }
  return call;
}

absl::StatusOr<Template> Template::parse(std::string_view text, Names& names) {
  Template t;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t open = text.find("{{", at);
    if (open != at) {
      Part part;
      part.literal = text.substr(at, open == std::string_view::npos ? std::string_view::npos : open - at);
      t.parts_.push_back(std::move(part));
      if (open == std::string_view::npos) break;
    }
    const std::size_t close = closing(text, open + 2);
    if (close == std::string_view::npos)
      return wrong("'{{' at character " + std::to_string(open + 1) + " is never closed by '}}'");
    if (t.parts_.size() > 200) return wrong("more than 200 variables in one text");
    std::string_view inside = text.substr(open + 2, close - open - 2);
    Part part;
    part.computed = true;
    if (trimmed(inside).empty())
      return wrong("'{{}}' at character " + std::to_string(open + 1) + " names no variable");
    if (inside.size() > kMaxComputed) return wrong("more than 2000 characters between '{{' and '}}'");
    std::size_t used = 0;
    auto expression = Expression::parse_part(inside, names, used);
    if (!expression.ok()) return expression.status();
    part.expression = *std::move(expression);
    inside.remove_prefix(used);
    while (!inside.empty()) {
      if (inside.front() != '|')
        return wrong("expected '|' or '}}', found " + in_quotes(inside.substr(0, 12)));
      inside.remove_prefix(1);
      char quote = 0;
      std::size_t end = 0;
      for (; end < inside.size() && (quote || inside[end] != '|'); ++end) {
        if (quote ? inside[end] == quote : inside[end] == '\'' || inside[end] == '"')
          quote = quote ? 0 : inside[end];
      }
      auto call = parse_filter(inside.substr(0, end));
      if (!call.ok()) return call.status();
      inside.remove_prefix(end);
      part.filters.push_back(*std::move(call));
    }
    t.parts_.push_back(std::move(part));
    at = close + 2;
  }
  return t;
}

View Template::eval(const Part& part, Reader& reader, bool& raw) {
  if (!part.computed) return std::string_view(part.literal);
  return apply(part.filters, part.expression.eval(reader), reader, raw);
}

View Template::apply(const std::vector<FilterCall>& filters, View value, Reader& reader) {
  bool raw = false;
  return apply(filters, value, reader, raw);
}

View Template::apply(const std::vector<FilterCall>& filters, View v, Reader& reader, bool& raw) {
  for (const FilterCall& f : filters) {
    const auto copy = [&]() -> std::string& {
      std::string& s = reader.scratch();
      append_text(v, s);
      return s;
    };
    switch (f.filter) {
      case Filter::default_:
        if (!flow::exists(v) || (v.index() == 4 && std::get<4>(v).empty())) v = view(f.argument);
        break;
      case Filter::upper: v = cased(v, true, reader); break;
      case Filter::lower: v = cased(v, false, reader); break;
      case Filter::trim:
        if (exists(v)) v = trimmed(copy());
        break;
      case Filter::round: v = rounded(v, view(f.argument)); break;
      case Filter::first:
      case Filter::last: {
        if (!exists(v)) break;
        const auto n = number(view(f.argument));
        const std::string_view s = copy();
        const std::size_t keep =
            std::min(s.size(), n && n->integral && n->i > 0 ? static_cast<std::size_t>(n->i) : 0);
        v = f.filter == Filter::first ? s.substr(0, keep) : s.substr(s.size() - keep);
        break;
      }
      case Filter::length: v = length_of(v); break;
      case Filter::url: {
        std::string& s = reader.scratch();
        append_escaped(copy(), Escape::url, s);
        v = std::string_view(s);
        raw = true;
        break;
      }
      case Filter::json: {
        std::string& s = reader.scratch();
        append_json(v, s);
        v = std::string_view(s);
        raw = true;
        break;
      }
      case Filter::raw: raw = true; break;
      case Filter::number: {
        const auto n = number(v);
        v = n ? view(*n) : View{};
        break;
      }
      case Filter::text:
        if (exists(v)) v = std::string_view(copy());
        break;
    }
  }
  return v;
}

void Template::render(Reader& reader, Escape escape, std::string& out) const {
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const Part& part = parts_[i];
    if (!part.computed) {
      out += part.literal;
      continue;
    }
    bool raw = escape == Escape::none || (escape == Escape::url && i == 0);
    const View v = eval(part, reader, raw);
    if (raw) {
      append_text(v, out);
    } else if (const auto* s = std::get_if<std::string_view>(&v)) {
      append_escaped(*s, escape, out);
    } else {
      append_escaped(flow::text(v), escape, out);
    }
  }
}

View Template::value(Reader& reader) const {
  bool raw = false;
  if (parts_.size() == 1) return eval(parts_[0], reader, raw);
  std::string& s = reader.scratch();
  render(reader, Escape::none, s);
  return std::string_view(s);
}

bool Template::is_literal() const {
  return std::none_of(parts_.begin(), parts_.end(), [](const Part& p) { return p.computed; });
}

const std::string& Template::literal() const {
  static const std::string kNone;
  return parts_.empty() ? kNone : parts_[0].literal;
}

void Template::reads(std::vector<Read>& out) const {
  for (const Part& p : parts_) {
    if (!p.computed) continue;
    const std::size_t from = out.size();
    p.expression.reads(out);
    const auto filtered = [&p](Filter by) {
      return std::any_of(p.filters.begin(), p.filters.end(),
                         [by](const FilterCall& f) { return f.filter == by; });
    };
    const bool guarded = filtered(Filter::default_);
    const bool parted = filtered(Filter::last) || filtered(Filter::length);
    for (std::size_t i = from; i < out.size(); ++i) {
      out[i].guarded = out[i].guarded || guarded;
      out[i].parted = out[i].parted || parted;
    }
  }
}

void Template::calendars(std::vector<std::string>& out) const {
  for (const Part& p : parts_) {
    if (p.computed) p.expression.calendars(out);
  }
}

std::pair<std::size_t, std::size_t> Template::extent() const {
  std::pair<std::size_t, std::size_t> extent;
  for (const Part& p : parts_) {
    extent.second += p.computed ? 1 : 0;
    for (const char c : p.literal) extent.first += (c & 0xc0) != 0x80 ? 1 : 0;
  }
  return extent;
}

bool Template::speaks() const {
  for (const Part& p : parts_) {
    for (const char c : p.literal) {
      if (is_letter(c) || is_digit(c) || (c & 0x80)) return true;
    }
  }
  return false;
}

void append_escaped(std::string_view text, Escape escape, std::string& out) {
  constexpr char kHex[] = "0123456789ABCDEF";
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    switch (escape) {
      case Escape::none: out += c; break;
      case Escape::url:  // RFC 3986, 2.3: only the unreserved stay
        if (is_letter(c) || is_digit(c) || c == '-' || c == '.' || c == '~') {
          out += c;
        } else {
          out += {'%', kHex[u >> 4], kHex[u & 15]};
        }
        break;
      case Escape::json:
        if (c == '"' || c == '\\') {
          out += {'\\', c};
        } else if (u < 0x20) {
          out += {'\\', 'u', '0', '0', kHex[u >> 4], kHex[u & 15]};
        } else {
          out += c;
        }
        break;
      case Escape::header:
        if (u >= 0x20 && u != 0x7f) out += c;
        break;
      case Escape::uri:
        if (u > 0x20 && u != 0x7f && c != '<' && c != '>' && c != '"') out += c;
        break;
    }
  }
}

}  // namespace ivr::flow
