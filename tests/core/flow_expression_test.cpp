#include "core/flow_template.hpp"

#include <gtest/gtest.h>

#include <map>

namespace ivr::flow {
namespace {

// Variables by name, as JSON.
class Variables : public Reader {
 public:
  Variables(Names& names, const Json& values) : names_(names), values_(values) {}
  View read(const Path& path) override {
    if (path.root == Path::Root::language) return std::string_view("ar");
    if (path.root != Path::Root::variable) return {};
    const auto it = values_.find(names_.name(path.slot));
    return it == values_.end() ? View{} : step_into(view(*it), path.rest);
  }

 private:
  Names& names_;
  const Json& values_;
};

const Json kValues = Json::parse(
    R"({"five": 5, "text5": "5", "half": 0.5, "zero": 0, "empty": "", "word": "hello", "yes": true, "no": false,
  "nothing": null, "padded": "007", "big": 9223372036854775807, "list": [1, "two", 3], "who": {"name": {"first": "Ada"}, "tags": ["a", "b"]}})");

std::string evaluate(const std::string& text) {
  Names names;
  const auto e = Expression::parse(text, names);
  if (!e.ok()) return "error: " + std::string(e.status().message());
  Variables reader(names, kValues);
  std::string out;
  append_json(e->eval(reader), out);
  return out;
}

TEST(Expression, Evaluates) {
  const std::pair<const char*, const char*> rows[] = {
      {"1 + 2 * 3", "7"},
      {"(1 + 2) * 3", "9"},
      {"7 / 2", "3.5"},
      {"6 / 2", "3"},
      {"7 % 4", "3"},
      {"-five", "-5"},
      {"- -5", "5"},
      {"2 - 3 - 4", "-5"},
      {"five + text5", "10"},
      {"five + word", "null"},
      {"five / zero", "null"},
      {"five % 0", "null"},
      {"half * 4", "2"},
      {"big + 1", "9223372036854775808"},
      {"big / 0", "null"},
      {"nothing + 1", "null"},
      {"five == 5", "true"},
      {"five == '5'", "true"},
      {"five == 5.0", "true"},
      {"padded == '7'", "false"},
      {"padded == 7", "true"},
      {"word == 'hello'", "true"},
      {"word == \"hello\"", "true"},
      {"word != 'x'", "true"},
      {"yes == true", "true"},
      {"yes == 'true'", "true"},
      {"nothing == null", "true"},
      {"missing == null", "true"},
      {"zero == null", "false"},
      {"empty == null", "false"},
      {"five > 4", "true"},
      {"five > 5", "false"},
      {"five >= 5", "true"},
      {"five < 5", "false"},
      {"five <= 5", "true"},
      {"'10' > '9'", "true"},
      {"'b' > 'a'", "true"},
      {"word > 5", "false"},
      {"word < 5", "false"},
      {"nothing < 1", "false"},
      {"nothing > 1", "false"},
      {"word contains 'ell'", "true"},
      {"word contains 'x'", "false"},
      {"word not contains 'x'", "true"},
      {"list contains 'two'", "true"},
      {"list contains 3", "true"},
      {"list contains 4", "false"},
      {"who contains 'name'", "true"},
      {"nothing contains 'x'", "false"},
      {"nothing exists", "false"},
      {"zero exists", "true"},
      {"missing not exists", "true"},
      {"exists(five)", "true"},
      {"who.name.first exists", "true"},
      {"who.name.first", "\"Ada\""},
      {"who.tags.1", "\"b\""},
      {"who.tags.2", "null"},
      {"word.first", "null"},
      {"list.0", "1"},
      {"list.x", "null"},
      {"true and false", "false"},
      {"true or false", "true"},
      {"not true", "false"},
      {"!false", "true"},
      {"true && true || false", "true"},
      {"false and false or true", "true"},
      {"false and (false or true)", "false"},
      {"not five == 4", "true"},
      {"empty or zero or nothing", "false"},
      {"length(word)", "5"},
      {"length('\xd9\x85\xd8\xb1')", "2"},
      {"length(list)", "3"},
      {"length(nothing)", "null"},
      {"upper(word)", "\"HELLO\""},
      {"lower('ABC')", "\"abc\""},
      {"round(2.5)", "3"},
      {"round(2.345, 2)", "2.35"},
      {"round(-2.5)", "-3"},
      {"floor(2.9)", "2"},
      {"ceil(2.1)", "3"},
      {"abs(-4)", "4"},
      {"min(3, five)", "3"},
      {"max(3, five)", "5"},
      {"number('12')", "12"},
      {"number(word)", "null"},
      {"text(five)", "\"5\""},
      {"language == 'ar'", "true"},
      {"word == 'it' 's'", "error: at character 14: expected nothing more, found ''s''"},
      {"", "error: at character 1: expected a value, found the end"},
      {"1 +", "error: at character 4: expected a value, found the end"},
      {"min(1)", "error: at character 6: expected ',' and a second argument, found ')'"},
      {"'abc", "error: at character 1: expected a closing quote, found ''abc'"},
      {"1.2.3", "error: at character 1: expected a number, found '1.2.3'"},
      {"a..b", "error: 'a..b' is not a variable: a name is missing"},
      {"now.week", "error: no built-in variable 'now.week'; did you mean 'now.weekday'?"},
      {"calendar.x", "error: 'calendar.x': a calendar is read as calendar.NAME.open or calendar.NAME.state"},
  };
  for (const auto& [text, expected] : rows) EXPECT_EQ(evaluate(text), expected) << text;
}

// S0-86, every operator over the kinds of value that meet in practice.
TEST(Expression, S0_86_TruthTableOfTheOperators) {
  struct Row {
    const char* op;
    const char* variable;
    const char* value;  // nullptr: none
    bool truth;
  };
  const Row rows[] = {
      {"equals", "five", "5", true},
      {"equals", "five", "\"5\"", true},
      {"equals", "word", "\"hello\"", true},
      {"equals", "word", "\"Hello\"", false},
      {"equals", "missing", "1", false},
      {"equals", "yes", "true", true},
      {"equals", "list", "[1,\"two\",3]", true},
      {"not_equals", "five", "5", false},
      {"not_equals", "five", "6", true},
      {"not_equals", "missing", "1", true},
      {"greater", "five", "4", true},
      {"greater", "five", "5", false},
      {"greater", "text5", "4", true},
      {"greater", "word", "4", false},
      {"greater", "missing", "4", false},
      {"less", "five", "6", true},
      {"less", "five", "5", false},
      {"less", "half", "0.6", true},
      {"less", "missing", "4", false},
      {"greater_or_equal", "five", "5", true},
      {"less_or_equal", "five", "5", true},
      {"contains", "word", "\"ell\"", true},
      {"contains", "word", "\"\"", true},
      {"contains", "list", "\"two\"", true},
      {"contains", "missing", "\"x\"", false},
      {"contains", "five", "5", true},
      {"not_contains", "word", "\"x\"", true},
      {"not_contains", "word", "\"h\"", false},
      {"not_contains", "missing", "\"x\"", true},
      {"exists", "five", nullptr, true},
      {"exists", "empty", nullptr, true},
      {"exists", "nothing", nullptr, false},
      {"exists", "missing", nullptr, false},
      {"not_exists", "five", nullptr, false},
      {"not_exists", "missing", nullptr, true},
  };
  for (const Row& row : rows) {
    Names names;
    Json condition = {{"variable", row.variable}, {"operator", row.op}};
    if (row.value) condition["value"] = Json::parse(row.value);
    std::string where;
    const auto e = Expression::parse(condition, names, where);
    ASSERT_TRUE(e.ok()) << e.status();
    Variables reader(names, kValues);
    EXPECT_EQ(e->test(reader), row.truth)
        << row.variable << " " << row.op << " " << (row.value ? row.value : "");
  }
}

TEST(Expression, StructuredConditionsNest) {
  const std::pair<const char*, bool> rows[] = {
      {R"({"all": ["five > 4", {"variable": "word", "value": "hello"}]})", true},
      {R"({"all": ["five > 4", "five > 5"]})", false},
      {R"({"any": ["five > 5", {"all": ["yes", {"not": "no"}]}]})", true},
      {R"({"not": {"any": ["five > 5", "no"]}})", true},
      {"true", true},
  };
  for (const auto& [text, truth] : rows) {
    Names names;
    std::string where;
    const auto e = Expression::parse(Json::parse(text), names, where);
    ASSERT_TRUE(e.ok()) << text << e.status();
    Variables reader(names, kValues);
    EXPECT_EQ(e->test(reader), truth) << text;
  }
}

TEST(Expression, HostileTextsAreRefusedAndNeverRecurseDeep) {
  Names names;
  EXPECT_FALSE(Expression::parse(std::string(1000, '('), names).ok());
  EXPECT_FALSE(Expression::parse(std::string(1999, '-') + "1", names).ok());
  EXPECT_FALSE(Expression::parse(std::string(1999, '!') + "1", names).ok());
  std::string nots;
  for (int i = 0; i < 400; ++i) nots += "not ";
  EXPECT_FALSE(Expression::parse(nots + "1", names).ok());
  EXPECT_FALSE(Expression::parse(std::string(5000, '1'), names).ok());
  std::string sum = "1";
  for (int i = 0; i < 900; ++i) sum += "+1";
  EXPECT_FALSE(Expression::parse(sum, names).ok());
}

std::string render(const std::string& text, Escape escape = Escape::none) {
  Names names;
  const auto t = Template::parse(text, names);
  if (!t.ok()) return "error: " + std::string(t.status().message());
  Variables reader(names, kValues);
  std::string out;
  t->render(reader, escape, out);
  return out;
}

TEST(Template, Renders) {
  const std::pair<const char*, const char*> rows[] = {
      {"plain", "plain"},
      {"", ""},
      {"{{five}}", "5"},
      {"a{{five}}b{{word}}c", "a5bhelloc"},
      {"{{ who.name.first }}", "Ada"},
      {"{{missing}}", ""},
      {"{{missing | default: 'you'}}", "you"},
      {"{{empty | default: \"you\"}}", "you"},
      {"{{zero | default: 'x'}}", "0"},
      {"{{word | upper}}", "HELLO"},
      {"{{word | upper | first: 2}}", "HE"},
      {"{{padded | last: 2}}", "07"},
      {"{{padded | last: 20}}", "007"},
      {"{{half | round}}", "1"},
      {"{{five * 2 + 1}}", "11"},
      {"{{word | length}}", "5"},
      {"{{list}}", "[1,\"two\",3]"},
      {"{{yes}}", "true"},
      {"{{'}}'}}", "}}"},
      {"{{'a|b'}}", "a|b"},
      {"{{missing | default: 'a|b'}}", "a|b"},
      {"{{word | json}}", "\"hello\""},
      {"{{word | trim | lower}}", "hello"},
      {"}} {", "}} {"},
      {"{ {five}}", "{ {five}}"},
  };
  for (const auto& [text, expected] : rows) EXPECT_EQ(render(text), expected) << text;
}

TEST(Template, ValuesAreEscapedForWhereTheyGo) {
  Names names;
  const Json values = {{"v", "a b/c?d&e=f\"g\\h\r\nX: y<>"}, {"base", "http://h:1/x?y"}};
  const auto put = [&](const std::string& text, Escape escape) {
    const auto t = Template::parse(text, names);
    Variables reader(names, values);
    std::string out;
    t->render(reader, escape, out);
    return out;
  };
  EXPECT_EQ(put("http://h/{{v}}", Escape::url), "http://h/a%20b%2Fc%3Fd%26e%3Df%22g%5Ch%0D%0AX%3A%20y%3C%3E");
  EXPECT_EQ(put("{{base}}&z={{v | first: 3}}", Escape::url), "http://h:1/x?y&z=a%20b")
      << "the base address at the start stays as it is";
  EXPECT_EQ(put("http://h/{{base | raw}}", Escape::url), "http://h/http://h:1/x?y");
  EXPECT_EQ(put("{\"k\": \"{{v}}\"}", Escape::json),
            "{\"k\": \"a b/c?d&e=f\\\"g\\\\h\\u000D\\u000AX: y<>\"}");
  EXPECT_EQ(put("Bearer {{v}}", Escape::header), "Bearer a b/c?d&e=f\"g\\hX: y<>")
      << "no line break gets into a header";
  EXPECT_EQ(put("sip:{{v}}@h", Escape::uri), "sip:ab/c?d&e=fg\\hX:y@h");
}

TEST(Template, ASingleVariableKeepsItsType) {
  Names names;
  const auto t = Template::parse("{{five}}", names);
  Variables reader(names, kValues);
  EXPECT_EQ(t->value(reader).index(), View{std::int64_t{5}}.index());
}

TEST(Suggestion, NamesTheNearest) {
  EXPECT_EQ(suggestion("agnet", {"agent", "menu"}), "; did you mean 'agent'?");
  EXPECT_EQ(suggestion("zzzzzz", {"agent", "menu"}), "; known: agent, menu");
  EXPECT_EQ(suggestion("x", {}), "");
}

}  // namespace
}  // namespace ivr::flow
