#include "core/flow_expression.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace ivr::flow {

namespace {

constexpr int kMaxNesting = 32;
constexpr std::size_t kMaxText = 2000;

absl::Status bad(const std::string& message) { return absl::InvalidArgumentError(message); }

struct Function {
  std::string_view name;
  Expression::Op op;
  int arguments;
};
constexpr Function kFunctions[] = {
    {"exists", Expression::Op::exists, 1},    {"length", Expression::Op::length, 1},
    {"upper", Expression::Op::upper, 1},      {"lower", Expression::Op::lower, 1},
    {"round", Expression::Op::round, 2},      {"floor", Expression::Op::floor, 1},
    {"ceil", Expression::Op::ceil, 1},        {"abs", Expression::Op::abs, 1},
    {"min", Expression::Op::min, 2},          {"max", Expression::Op::max, 2},
    {"number", Expression::Op::as_number, 1}, {"text", Expression::Op::as_text, 1},
};

struct Operator {
  std::string_view name;
  Expression::Op op;
};
constexpr Operator kOperators[] = {
    {"equals", Expression::Op::equals},
    {"not_equals", Expression::Op::not_equals},
    {"greater", Expression::Op::greater},
    {"less", Expression::Op::less},
    {"greater_or_equal", Expression::Op::greater_equal},
    {"less_or_equal", Expression::Op::less_equal},
    {"contains", Expression::Op::contains},
    {"not_contains", Expression::Op::not_contains},
    {"exists", Expression::Op::exists},
    {"not_exists", Expression::Op::not_exists},
};

}  // namespace

// ---------------------------------------------------------------------------------------------- parsing

// Recursive descent over: or, and, not, comparison, sum, product, unary, primary.
class ExpressionParser {
 public:
  ExpressionParser(std::string_view text, Names& names, Expression& out)
      : text_(text), names_(names), out_(out) {}

  absl::Status whole() {
    if (text_.size() > kMaxText)
      return bad("an expression of " + std::to_string(text_.size()) + " characters, at most 2000");
    out_.root_ = disjunction();
    skip();
    if (error_.empty() && at_ < text_.size()) fail("nothing more", "end");
    return error_.empty() ? absl::OkStatus() : bad(error_);
  }

  // Up to what continues no expression.
  absl::Status part(std::size_t& used) {
    out_.root_ = disjunction();
    skip();
    used = at_;
    return error_.empty() ? absl::OkStatus() : bad(error_);
  }

 private:
  using Op = Expression::Op;

  void skip() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }
  bool ok() const { return error_.empty(); }
  int fail(std::string_view expected, std::string_view = {}) {
    if (ok()) {
      error_ = "at character " + std::to_string(at_ + 1) + ": expected " + std::string(expected);
      error_ += at_ < text_.size() ? ", found " + in_quotes(text_.substr(at_, 12)) : ", found the end";
    }
    return 0;
  }
  bool symbol(std::string_view s) {
    skip();
    if (text_.substr(at_, s.size()) != s) return false;
    at_ += s.size();
    return true;
  }
  std::string_view peek_word() {
    skip();
    std::size_t end = at_;
    if (end < text_.size() && is_letter(text_[end])) {
      while (end < text_.size() && (is_letter(text_[end]) || is_digit(text_[end]) || text_[end] == '.'))
        ++end;
    }
    return text_.substr(at_, end - at_);
  }
  bool word(std::string_view w) {
    if (peek_word() != w) return false;
    at_ += w.size();
    return true;
  }
  int binary(Op op, int a, int b) {
    if (out_.nodes_.size() > 500) return fail("a shorter expression (500 terms)");
    return out_.add({.op = op, .a = a, .b = b});
  }

  int disjunction() {
    if (++depth_ > kMaxNesting) return fail("at most 32 levels of nesting");
    int left = conjunction();
    while (ok() && (symbol("||") || word("or"))) left = binary(Op::or_, left, conjunction());
    --depth_;
    return left;
  }
  int conjunction() {
    int left = negation();
    while (ok() && (symbol("&&") || word("and"))) left = binary(Op::and_, left, negation());
    return left;
  }
  int negation() {
    skip();
    const bool bang = at_ < text_.size() && text_[at_] == '!' && text_.substr(at_, 2) != "!=";
    if (bang) ++at_;
    if (bang || word("not")) {
      if (++depth_ > kMaxNesting) return fail("at most 32 levels of nesting");
      const int inner = negation();
      --depth_;
      return out_.add({.op = Op::not_, .a = inner});
    }
    return comparison();
  }
  int comparison() {
    const int left = sum();
    if (!ok()) return left;
    static constexpr std::array<std::pair<std::string_view, Op>, 6> kSymbols = {{{"==", Op::equals},
                                                                                 {"!=", Op::not_equals},
                                                                                 {"<=", Op::less_equal},
                                                                                 {">=", Op::greater_equal},
                                                                                 {"<", Op::less},
                                                                                 {">", Op::greater}}};
    for (const auto& [s, op] : kSymbols) {
      if (symbol(s)) return binary(op, left, sum());
    }
    skip();
    if (at_ < text_.size() && text_[at_] == '=') return fail("'==' (one '=' compares nothing)");
    if (word("contains")) return binary(Op::contains, left, sum());
    if (word("exists")) return out_.add({.op = Op::exists, .a = left});
    const std::size_t before = at_;
    if (word("not")) {
      if (word("contains")) return binary(Op::not_contains, left, sum());
      if (word("exists")) return out_.add({.op = Op::not_exists, .a = left});
      at_ = before;
      return fail("'contains' or 'exists' after 'not'");
    }
    return left;
  }
  int sum() {
    int left = product();
    while (ok()) {
      if (symbol("+")) {
        left = binary(Op::add, left, product());
      } else if (symbol("-")) {
        left = binary(Op::subtract, left, product());
      } else {
        break;
      }
    }
    return left;
  }
  int product() {
    int left = unary();
    while (ok()) {
      if (symbol("*")) {
        left = binary(Op::multiply, left, unary());
      } else if (symbol("/")) {
        left = binary(Op::divide, left, unary());
      } else if (symbol("%")) {
        left = binary(Op::modulo, left, unary());
      } else {
        break;
      }
    }
    return left;
  }
  int unary() {
    if (symbol("-")) {
      if (++depth_ > kMaxNesting) return fail("at most 32 levels of nesting");
      const int inner = unary();
      --depth_;
      return out_.add({.op = Op::negate, .a = inner});
    }
    return primary();
  }
  int literal(Value value) { return out_.add({.op = Op::literal, .literal = std::move(value)}); }
  int primary() {
    skip();
    if (at_ >= text_.size()) return fail("a value");
    const char c = text_[at_];
    if (c == '(') {
      ++at_;
      const int inner = disjunction();
      if (ok() && !symbol(")")) return fail("')'");
      return inner;
    }
    if (c == '\'' || c == '"') {
      const std::size_t end = text_.find(c, at_ + 1);
      if (end == std::string_view::npos) return fail("a closing quote");
      const std::string_view s = text_.substr(at_ + 1, end - at_ - 1);
      at_ = end + 1;
      return literal(std::string(s));
    }
    if (is_digit(c)) {
      std::size_t end = at_;
      while (end < text_.size() && (is_digit(text_[end]) || text_[end] == '.')) ++end;
      const auto n = number(View(text_.substr(at_, end - at_)));
      if (!n) return fail("a number");
      at_ = end;
      return literal(own(view(*n)));
    }
    const std::string_view w = peek_word();
    if (w.empty()) return fail("a value");
    if (w == "true" || w == "false") return at_ += w.size(), literal(w == "true");
    if (w == "null") return at_ += w.size(), literal({});
    for (const std::string_view reserved : {"and", "or", "not", "contains", "exists"}) {
      if (w == reserved && w != "exists") return fail("a value");
    }
    const std::size_t start = at_;
    at_ += w.size();
    skip();
    if (at_ < text_.size() && text_[at_] == '(') {
      for (const Function& f : kFunctions) {
        if (f.name == w) return call(f);
      }
      at_ = start;
      fail("a function");
      error_ += suggestion(w, names_of(kFunctions));
      return 0;
    }
    auto path = Path::parse(w, names_);
    if (!path.ok()) {
      if (ok()) error_ = std::string(path.status().message());
      return 0;
    }
    return out_.add({.op = Op::path, .path = *std::move(path)});
  }
  int call(const Function& f) {
    ++at_;
    const int a = disjunction();
    int b = -1;
    if (f.arguments == 2) {
      if (symbol(",")) {
        b = disjunction();
      } else if (f.op != Op::round) {
        return fail("',' and a second argument");
      }
    }
    if (ok() && !symbol(")")) return fail("')'");
    return out_.add({.op = f.op, .a = a, .b = b});
  }

  std::string_view text_;
  Names& names_;
  Expression& out_;
  std::size_t at_ = 0;
  int depth_ = 0;
  std::string error_;
};

absl::StatusOr<Expression> Expression::parse(std::string_view text, Names& names) {
  Expression e;
  if (absl::Status s = ExpressionParser(text, names, e).whole(); !s.ok()) return s;
  return e;
}

absl::StatusOr<Expression> Expression::parse_part(std::string_view text, Names& names, std::size_t& used) {
  Expression e;
  if (absl::Status s = ExpressionParser(text, names, e).part(used); !s.ok()) return s;
  return e;
}

Expression Expression::constant(Value value) {
  Expression e;
  e.root_ = e.add({.op = Op::literal, .literal = std::move(value)});
  return e;
}

int Expression::append(const Expression& other) {
  const int base = static_cast<int>(nodes_.size());
  for (Node n : other.nodes_) {
    if (n.a >= 0) n.a += base;
    if (n.b >= 0) n.b += base;
    nodes_.push_back(std::move(n));
  }
  return base + other.root_;
}

absl::StatusOr<Expression> Expression::comparison(Path path, std::string_view op, const Json* value) {
  for (const Operator& o : kOperators) {
    if (o.name != op) continue;
    const bool unary = o.op == Op::exists || o.op == Op::not_exists;
    if (unary && value) return bad("operator '" + std::string(op) + "' takes no value");
    if (!unary && !value) return bad("operator '" + std::string(op) + "' needs a value");
    Expression e;
    const int a = e.add({.op = Op::path, .path = std::move(path)});
    const int b = unary ? -1 : e.add({.op = Op::literal, .literal = value_of(*value)});
    e.root_ = e.add({.op = o.op, .a = a, .b = b});
    return e;
  }
  return bad("no operator " + in_quotes(op) + suggestion(op, names_of(kOperators)));
}

namespace {

constexpr int kMaxConditions = 200;
constexpr std::size_t kMaxTerms = 500;

}  // namespace

absl::StatusOr<Expression> Expression::parse(const Json& json, Names& names, std::string& where) {
  if (json.is_string()) return parse(json.get_ref<const std::string&>(), names);
  if (json.is_boolean()) return constant(json.get<bool>());
  if (!json.is_object())
    return bad(
        "a condition is a text such as \"amount > 100\", or an object with 'variable', 'operator' and "
        "'value'");
  for (const auto& [key, value] : json.items()) {
    static const std::vector<std::string> known = {"variable", "operator", "value", "all", "any", "not"};
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      where += "/" + key;
      return bad("no field " + in_quotes(key) + " in a condition" + suggestion(key, known));
    }
  }
  for (const auto& [key, op] : {std::pair{"all", Op::and_}, std::pair{"any", Op::or_}}) {
    const auto it = json.find(key);
    if (it == json.end()) continue;
    where += std::string("/") + key;
    if (json.size() != 1) return bad(std::string("'") + key + "' stands alone in its condition");
    if (!it->is_array() || it->empty() || it->size() > kMaxConditions)
      return bad(std::string("'") + key + "' is a list of 1 to 200 conditions");
    Expression e;
    for (std::size_t i = 0; i < it->size(); ++i) {
      std::string inside = where + "/" + std::to_string(i);
      auto one = parse((*it)[i], names, inside);
      if (!one.ok()) return where = inside, one;
      const int at = e.append(*one);
      if (e.nodes_.size() > kMaxTerms) return bad("a condition of more than 500 terms");
      e.root_ = i == 0 ? at : e.add({.op = op, .a = e.root_, .b = at});
    }
    return e;
  }
  if (const auto it = json.find("not"); it != json.end()) {
    if (json.size() != 1) return bad("'not' stands alone in its condition");
    where += "/not";
    auto inner = parse(*it, names, where);
    if (!inner.ok()) return inner;
    inner->root_ = inner->add({.op = Op::not_, .a = inner->root_});
    return inner;
  }
  const auto variable = json.find("variable"), op = json.find("operator"), value = json.find("value");
  if (variable == json.end() || !variable->is_string())
    return bad("a condition needs 'variable', the name of one");
  auto path = Path::parse(variable->get_ref<const std::string&>(), names);
  if (!path.ok()) return where += "/variable", path.status();
  if (op != json.end() && !op->is_string())
    return where += "/operator", bad("'operator' is a text, such as \"equals\"");
  return comparison(*std::move(path), op == json.end() ? "equals" : op->get_ref<const std::string&>(),
                    value == json.end() ? nullptr : &*value);
}

// ------------------------------------------------------------------------------------------- evaluating

namespace {

View arithmetic(Expression::Op op, const View& x, const View& y) {
  const auto a = number(x), b = number(y);
  if (!a || !b) return {};
  Number r;
  r.integral = false;
  if (a->integral && b->integral) {
    r.integral = true;
    switch (op) {
      case Expression::Op::add: r.integral = !__builtin_add_overflow(a->i, b->i, &r.i); break;
      case Expression::Op::subtract: r.integral = !__builtin_sub_overflow(a->i, b->i, &r.i); break;
      case Expression::Op::multiply: r.integral = !__builtin_mul_overflow(a->i, b->i, &r.i); break;
      case Expression::Op::modulo:
        if (b->i == 0 || b->i == -1) return b->i == 0 ? View{} : View{std::int64_t{0}};
        r.i = a->i % b->i;
        break;
      case Expression::Op::divide:
        if (b->i == 0) return {};
        r.integral = b->i != -1 && a->i % b->i == 0;
        if (r.integral) r.i = a->i / b->i;
        break;
      default: r.integral = false;
    }
    if (r.integral) return r.i;
  }
  switch (op) {
    case Expression::Op::add: r.d = a->d + b->d; break;
    case Expression::Op::subtract: r.d = a->d - b->d; break;
    case Expression::Op::multiply: r.d = a->d * b->d; break;
    case Expression::Op::divide: r.d = b->d == 0 ? NAN : a->d / b->d; break;
    case Expression::Op::modulo: r.d = b->d == 0 ? NAN : std::fmod(a->d, b->d); break;
    default: return {};
  }
  return view(r);
}

char raised(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }
char lowered(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

}  // namespace

View rounded(const View& x, const View& places_view) {
  const auto n = number(x);
  if (!n) return {};
  const auto p = number(places_view);
  const int places = p && p->integral ? static_cast<int>(std::clamp<std::int64_t>(p->i, 0, 9)) : 0;
  if (n->integral) return n->i;
  const double scale = std::pow(10.0, places), r = std::round(n->d * scale) / scale;
  if (!std::isfinite(r)) return n->d;
  if (places == 0 && std::abs(r) < 9e18) return static_cast<std::int64_t>(r);
  return r;
}

View length_of(const View& v) {
  if (!exists(v)) return {};
  if (const auto* j = std::get_if<const Json*>(&v)) return static_cast<std::int64_t>((*j)->size());
  const auto count = [](std::string_view s) {
    return static_cast<std::int64_t>(
        std::count_if(s.begin(), s.end(), [](char c) { return (c & 0xc0) != 0x80; }));
  };
  if (const auto* s = std::get_if<std::string_view>(&v)) return count(*s);
  return count(text(v));
}

View cased(const View& v, bool up, Reader& reader) {
  if (!exists(v)) return {};
  std::string& s = reader.scratch();
  append_text(v, s);
  for (char& c : s) c = up ? raised(c) : lowered(c);
  return std::string_view(s);
}

View Expression::eval(int at, Reader& reader) const {
  const Node& n = nodes_[static_cast<std::size_t>(at)];
  const auto a = [&] { return eval(n.a, reader); };
  const auto b = [&] { return n.b < 0 ? View{} : eval(n.b, reader); };
  switch (n.op) {
    case Op::literal: return view(n.literal);
    case Op::path: return reader.read(n.path);
    case Op::not_: return !truth(a());
    case Op::and_: return truth(a()) && truth(b());
    case Op::or_: return truth(a()) || truth(b());
    case Op::equals: return equal(a(), b());
    case Op::not_equals: return !equal(a(), b());
    case Op::less: {
      const auto c = compare(a(), b());
      return c && *c < 0;
    }
    case Op::less_equal: {
      const auto c = compare(a(), b());
      return c && *c <= 0;
    }
    case Op::greater: {
      const auto c = compare(a(), b());
      return c && *c > 0;
    }
    case Op::greater_equal: {
      const auto c = compare(a(), b());
      return c && *c >= 0;
    }
    case Op::contains: return flow::contains(a(), b());
    case Op::not_contains: return !flow::contains(a(), b());
    case Op::exists: return flow::exists(a());
    case Op::not_exists: return !flow::exists(a());
    case Op::add:
    case Op::subtract:
    case Op::multiply:
    case Op::divide:
    case Op::modulo: return arithmetic(n.op, a(), b());
    case Op::negate: return arithmetic(Op::subtract, std::int64_t{0}, a());
    case Op::length: return length_of(a());
    case Op::upper: return cased(a(), true, reader);
    case Op::lower: return cased(a(), false, reader);
    case Op::round: return rounded(a(), b());
    case Op::floor:
    case Op::ceil: {
      const auto x = number(a());
      if (!x) return {};
      if (x->integral) return x->i;
      const double r = n.op == Op::floor ? std::floor(x->d) : std::ceil(x->d);
      return std::abs(r) < 9e18 ? View{static_cast<std::int64_t>(r)} : View{r};
    }
    case Op::abs: {
      const auto x = number(a());
      if (!x) return {};
      if (x->integral && x->i != INT64_MIN) return x->i < 0 ? -x->i : x->i;
      return std::abs(x->d);
    }
    case Op::min:
    case Op::max: {
      const View x = a(), y = b();
      const auto c = compare(x, y);
      if (!c) return {};
      return (*c <= 0) == (n.op == Op::min) ? x : y;
    }
    case Op::as_number: {
      const auto x = number(a());
      return x ? view(*x) : View{};
    }
    case Op::as_text: {
      const View v = a();
      if (!flow::exists(v)) return {};
      std::string& s = reader.scratch();
      append_text(v, s);
      return std::string_view(s);
    }
  }
  return {};
}

void Expression::reads(int at, bool guarded, std::vector<Read>& out) const {
  const Node& n = nodes_[static_cast<std::size_t>(at)];
  if (n.op == Op::path && n.path.root == Path::Root::variable)
    out.push_back({n.path.slot, guarded, false, &n.path.rest});
  const bool asks = n.op == Op::exists || n.op == Op::not_exists;
  // "x exists and x > 3" reads x only where it exists.
  if (n.op == Op::and_ && n.a >= 0) {
    std::vector<Read> left, right;
    reads(n.a, guarded, left);
    reads(n.b, guarded, right);
    const Node& first = nodes_[static_cast<std::size_t>(n.a)];
    if (first.op == Op::exists && node(first.a).op == Op::path) {
      for (Read& r : right) r.guarded = r.guarded || r.slot == node(first.a).path.slot;
    }
    out.insert(out.end(), left.begin(), left.end());
    out.insert(out.end(), right.begin(), right.end());
    return;
  }
  if (n.a >= 0) reads(n.a, guarded || asks, out);
  if (n.b >= 0) reads(n.b, guarded || asks, out);
}

void Expression::calendars(std::vector<std::string>& out) const {
  for (const Node& n : nodes_) {
    if (n.op != Op::path) continue;
    if (n.path.root == Path::Root::calendar_open || n.path.root == Path::Root::calendar_state)
      out.push_back(n.path.rest[0]);
  }
}

bool Expression::is_constant() const {
  return std::none_of(nodes_.begin(), nodes_.end(), [](const Node& n) { return n.op == Op::path; });
}

}  // namespace ivr::flow
