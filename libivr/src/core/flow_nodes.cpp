#include "core/flow_nodes.hpp"

#include <algorithm>

#include "core/flow_agents.hpp"
#include "core/flow_api.hpp"

namespace ivr::flow {

namespace {

class NodeReader {
 public:
  explicit NodeReader(FieldContext& context) : context_(context) {}

  void read(Node& n, const std::string& name, const Json& json) {
    n.name = name;
    n.pointer = pointer_to("/nodes", name);
    n.to.fill(kNowhere);
    if (!is_node_name(name)) {
      context_.error("bad-name", n.pointer, "'" + name + "' is no name for a node",
                     "use 1 to 64 letters, digits, _ and -");
    }
    if (!json.is_object()) {
      context_.error("wrong-type", n.pointer, "a node is an object", "give it at least a 'type'");
      return;
    }
    Fields f(context_, json, n.pointer);
    const std::string type = f.text("type", true);
    n.label = f.text("label");
    f.text("comment");
    const TypeRow* row = find_type(type);
    if (!row) {
      if (!type.empty()) {
        std::vector<std::string> known;
        for (const TypeRow& r : type_rows()) known.emplace_back(r.name);
        context_.error("unknown-type", n.pointer + "/type",
                       "no node type '" + type + "'" + suggestion(type, known),
                       "docs/flow-format.md lists them");
      }
      return;
    }
    n.type = row->type;
    n.type_name = row->name;
    switch (n.type) {
      case NodeType::welcome: welcome(n, f); break;
      case NodeType::play: play(n, f); break;
      case NodeType::menu: menu(n, f); break;
      case NodeType::queue: queue(n, f); break;
      case NodeType::transfer: transfer(n, f); break;
      case NodeType::record: record(n, f); break;
      case NodeType::decision: decision(n, f); break;
      case NodeType::gather: gather(n, f); break;
      case NodeType::api: api(n, f); break;
      case NodeType::hangup: hangup(n, f); break;
      case NodeType::set: set(n, f); break;
      case NodeType::play_digits: play_digits(n, f); break;
      case NodeType::play_sequence: play_sequence(n, f); break;
      case NodeType::wait: wait(n, f); break;
      case NodeType::answer: answer(n, f); break;
      case NodeType::send_digits: send_digits(n, f); break;
      case NodeType::callback: callback(n, f); break;
      case NodeType::keywords: keywords(n, f); break;
      case NodeType::agent_status: agent_status(n, f); break;
    }
    if (row->can_fail) exit(n, f, ExitId::error, false);
    f.done();
  }

 private:
  void exit(Node& n, Fields& f, ExitId id, bool required = true, std::string field = "") {
    const std::string name(exit_name(id));
    if (field.empty()) field = name;
    const int target = f.target(field, required);
    n.to[static_cast<std::size_t>(id)] = target;
    if (target != kNowhere) n.exits.push_back({name, target, pointer_to(n.pointer, field)});
  }

  void exit(Node& n, std::string name, int target, std::string pointer) {
    if (target != kNowhere) n.exits.push_back({std::move(name), target, std::move(pointer)});
  }

  // Each key an exit; `all` gets the keys.
  void key_exits(Node& n, const Json& keys, std::array<int, 16>& targets, std::string& all) {
    for (const auto& [key, target] : keys.items()) {
      const std::string at = pointer_to(n.pointer + "/keys", key);
      const int k = context_.key(key, at);
      const int to = context_.target(target, at);
      if (k >= 0) targets[static_cast<std::size_t>(k)] = to;
      if (k >= 0) all += key;
      exit(n, key, to, at);
    }
  }

  Barge barge(const Node& n, Fields& f) {
    static const std::vector<std::string> kNames = {"none", "digits", "speech", "both"};
    Barge b;
    if (const Json* by = f.get("barge_in")) {
      const std::string at = n.pointer + "/barge_in";
      const auto named = by->is_string()
                             ? std::find(kNames.begin(), kNames.end(), by->get_ref<const std::string&>())
                             : kNames.end();
      if (by->is_boolean()) {
        b.by = by->get<bool>() ? BargeIn::digits : BargeIn::none;
      } else if (named != kNames.end()) {
        b.by = static_cast<BargeIn>(named - kNames.begin());
      } else {
        context_.error("wrong-type", at,
                       by->dump() + " stops no prompt" +
                           (by->is_string() ? suggestion(by->get<std::string>(), kNames) : std::string()),
                       "write true, false, \"digits\", \"speech\" or \"both\"");
      }
    }
    if (const std::string when = f.text("barge_at"); !when.empty()) {
      static const std::vector<std::string> kTimes = {"once", "mark", "end"};
      const std::string at = n.pointer + "/barge_at";
      const auto named = std::find(kTimes.begin(), kTimes.end(), when);
      if (named == kTimes.end()) {
        context_.error("unknown-kind", at,
                       "no time '" + when + "' to stop a prompt" + suggestion(when, kTimes),
                       "write \"once\", \"mark\" or \"end\"");
      } else {
        b.at = static_cast<BargeAt>(named - kTimes.begin());
      }
      if (b.by == BargeIn::none)
        context_.error("conflict", at, "'barge_at' where nothing stops the prompt", "remove one of the two");
      if (b.by == BargeIn::speech && b.at == BargeAt::end)
        context_.error("conflict", at, "a voice that stops nothing: the prompt is heard to its end",
                       "set 'barge_in' to false, or 'barge_at' to \"mark\"");
    }
    b.grace = f.duration("grace", b.grace, 0ms, 1min);
    b.min_speech = f.duration("min_speech", b.min_speech, 20ms, 10s);
    if (f.has("min_speech") && b.by != BargeIn::speech && b.by != BargeIn::both) {
      context_.error("conflict", n.pointer + "/min_speech", "'min_speech' where speech stops nothing",
                     "set 'barge_in' to \"speech\" or \"both\"");
    }
    return b;
  }

  void welcome(Node& n, Fields& f) {
    WelcomeNode& w = n.body.emplace<WelcomeNode>();
    w.languages.fill(-1);
    w.say = f.say("say");
    w.ask = f.say("ask");
    if (const Json* choose = f.object("choose")) {
      w.choose = true;
      for (const auto& [key, language] : choose->items()) {
        const std::string at = pointer_to(n.pointer + "/choose", key);
        if (!language.is_string()) {
          context_.error("wrong-type", at, "a language is a text", "");
          continue;
        }
        const int index = context_.language(language.get_ref<const std::string&>(), at);
        if (const int k = context_.key(key, at); k >= 0) w.languages[static_cast<std::size_t>(k)] = index;
      }
      if (choose->empty())
        context_.error("out-of-range", n.pointer + "/choose", "no key chooses a language",
                       "map keys to languages");
      if (w.say.empty() && w.ask.empty()) {
        context_.error("missing-field", n.pointer, "the caller is to choose a language and hears no question",
                       "say it in 'ask'");
      }
    }
    if (const std::string language = f.text("language"); !language.empty())
      w.language = context_.language(language, n.pointer + "/language");
    w.tries = f.integer("tries", 2, 1, 100);
    w.timeout = f.duration("timeout", 5s, 100ms, 10min);
    w.barge = barge(n, f);
    exit(n, f, ExitId::next);
  }

  void play(Node& n, Fields& f) {
    PlayNode& p = n.body.emplace<PlayNode>();
    p.say = f.say("say", true);
    p.loops = f.integer("loops", 1, 0, 1000);
    p.barge = barge(n, f);
    if (p.loops == 0 && p.barge.at == BargeAt::end)
      context_.error("conflict", n.pointer + "/barge_at", "a prompt without an end that is heard to its end",
                     "set 'barge_at' to \"once\" or \"mark\", or 'loops'");
    exit(n, f, ExitId::next);
  }

  void menu(Node& n, Fields& f) {
    MenuNode& m = n.body.emplace<MenuNode>();
    m.say = f.say("say");
    m.short_say = f.say("short_say");
    m.short_on_return = f.boolean("short_on_return", false);
    m.invalid_say = f.say("invalid_say");
    m.no_input_say = f.say("no_input_say");
    m.exit_say = f.say("exit_say");
    m.tries = f.integer("tries", 3, 1, 100);
    m.max_invalid = f.integer("max_invalid", 0, 1, 100);
    m.max_no_input = f.integer("max_no_input", 0, 1, 100);
    m.timeout = f.duration("timeout", 5s, 100ms, 10min);
    m.barge = barge(n, f);
    m.carry = f.boolean("carry", true);
    m.into = f.variable("into");
    if (m.short_on_return && m.short_say.empty())
      context_.error("conflict", n.pointer + "/short_on_return", "'short_on_return' without a 'short_say'",
                     "add the short one");
    choices(n, m, f);
    if (const Json* confirm = f.object("confirm")) {
      Fields c(context_, *confirm, n.pointer + "/confirm");
      MenuNode::Confirm& asks = m.confirm.emplace();
      asks.say = c.say("say", true);
      if (const std::string key = c.text("key");
          !key.empty() && context_.key(key, n.pointer + "/confirm/key") >= 0)
        asks.key = key[0];
      asks.attempts = c.integer("attempts", asks.attempts, 1, 100);
      asks.timeout = c.duration("timeout", asks.timeout, 100ms, 10min);
      c.done();
    }
    for (const ExitId id : {ExitId::invalid, ExitId::no_input}) {
      const std::string name(exit_name(id));
      const Json* to = f.get(name);
      const int target = to ? context_.menu_target(*to, pointer_to(n.pointer, name)) : f.target(name, true);
      n.to[static_cast<std::size_t>(id)] = target;
      exit(n, name, target, pointer_to(n.pointer, name));
    }
  }

  // Its keys, then its patterns: together they must leave no doubt about what the caller wants.
  void choices(Node& n, MenuNode& m, Fields& f) {
    std::vector<DigitMap::Entry> entries;
    std::vector<std::string> pointers;
    const Json* keys = f.object("keys");
    if (keys) {
      for (const auto& [key, target] : keys->items()) {
        const std::string at = pointer_to(n.pointer + "/keys", key);
        const int to = context_.menu_target(target, at);
        exit(n, key, to, at);
        if (context_.key(key, at) < 0) continue;
        m.choices.push_back({key, to, {}});
        entries.push_back({key, false});
        pointers.push_back(at);
      }
    }
    const Json* patterns = f.array("patterns");
    for (std::size_t i = 0; patterns && i < patterns->size(); ++i) {
      const std::string at = n.pointer + "/patterns/" + std::to_string(i);
      if (!(*patterns)[i].is_object()) {
        context_.error("wrong-type", at, "a pattern of a menu is an object with 'pattern' and 'next'", "");
        continue;
      }
      Fields p(context_, (*patterns)[i], at);
      Choice one;
      const std::string pattern = p.text("pattern", true);
      one.exit = p.name("name");
      if (one.exit.empty()) one.exit = "pattern" + std::to_string(i + 1);
      p.text("comment");
      const Json* to = p.get("next", true);
      if (to) one.target = context_.menu_target(*to, at + "/next");
      p.done();
      exit(n, one.exit, one.target, at + "/next");
      if (std::any_of(m.choices.begin(), m.choices.end(),
                      [&](const Choice& c) { return c.exit == one.exit; }))
        context_.error("conflict", at, "two exits of this menu are called '" + one.exit + "'",
                       "give the pattern another 'name'");
      const auto map = DigitMap::create({{pattern}});
      if (!map.ok()) {
        if (!pattern.empty())
          context_.error("bad-pattern", at + "/pattern", std::string(map.status().message()),
                         "test it on an input that must pass");
        continue;
      }
      for (const std::string& name : map->names(0))
        one.slots.push_back(context_.variable_name(name, at + "/pattern"));
      m.choices.push_back(std::move(one));
      m.patterns.emplace_back(pattern, at + "/pattern");
      entries.push_back({pattern});
      pointers.push_back(at + "/pattern");
      m.many = true;
    }
    if (!f.has("keys") && !f.has("patterns")) {
      context_.error("missing-field", n.pointer, "no field 'keys', and no 'patterns'",
                     "add keys, such as {\"1\": \"sales\"}");
    } else if ((keys && keys->empty() && !f.has("patterns")) || (patterns && patterns->empty())) {
      context_.error("out-of-range", n.pointer + (patterns ? "/patterns" : "/keys"),
                     "a menu needs at least one key", "add one, such as \"1\": \"sales\"");
    }
    auto map = DigitMap::create(entries);
    if (!map.ok()) {  // each passed by itself: together they are too large
      context_.error("bad-pattern", n.pointer + "/patterns", std::string(map.status().message()), "");
      return;
    }
    if (const auto both = map->overlap()) {
      context_.error("ambiguous-keys", pointers[static_cast<std::size_t>(both->second)],
                     "the keys " + both->keys + " are '" +
                         entries[static_cast<std::size_t>(both->second)].text + "' and '" +
                         entries[static_cast<std::size_t>(both->first)].text + "' too",
                     "narrow one of the two: [1-9] in place of \\d");
    }
    m.digit_timeout = f.duration("digit_timeout", m.digit_timeout, 100ms, 10min);
    m.terminators = f.keys("terminators", m.many && !map->uses('#') ? "#" : "");
    for (const char* field : {"digit_timeout", "terminators"}) {
      if (!m.many && f.has(field))
        context_.error("conflict", n.pointer + "/" + field,
                       "'" + std::string(field) + "' in a menu that takes the first key",
                       "remove it, or add 'patterns'");
    }
    for (const char key : m.terminators) {
      if (map->uses(key))
        context_.error("conflict", n.pointer + "/terminators",
                       "'" + std::string(1, key) + "' ends the input, and is a part of it",
                       "remove one of the two");
    }
    m.map = std::make_shared<const DigitMap>(*std::move(map));
  }

  void gather(Node& n, Fields& f) {
    struct Row {
      std::string_view kind;
      int min, max;
      bool sensitive;
    };
    static constexpr Row kKinds[] = {{"numeric", 1, 20, false},
                                     {"pin", 4, 6, true},
                                     {"account", 8, 16, false},
                                     {"phone", 10, 10, false},
                                     {"custom", 1, 20, false}};
    GatherNode& g = n.body.emplace<GatherNode>();
    g.kind = f.text("kind");
    if (g.kind.empty()) g.kind = "numeric";
    const Row* row = nullptr;
    std::vector<std::string> known;
    for (const Row& r : kKinds) {
      known.emplace_back(r.kind);
      if (r.kind == g.kind) row = &r;
    }
    if (!row) {
      context_.error("unknown-kind", n.pointer + "/kind",
                     "no kind of gather '" + g.kind + "'" + suggestion(g.kind, known), "");
      row = &kKinds[0];
    }
    g.say = f.say("say");
    g.short_say = f.say("short_say");
    g.invalid_say = f.say("invalid_say");
    g.no_input_say = f.say("no_input_say");
    g.into = f.variable("into", true);
    g.min = f.integer("min", row->min, 1, 128);
    g.max = f.integer("max", std::max(row->max, g.min), 1, 128);
    if (f.has("length")) {
      if (f.has("min") || f.has("max"))
        context_.error("conflict", n.pointer + "/length", "'length' and 'min' or 'max'", "keep one of them");
      g.min = g.max = f.integer("length", row->min, 1, 128);
    }
    if (g.max < g.min) {
      context_.error("out-of-range", n.pointer + "/max",
                     "max " + std::to_string(g.max) + " is less than min " + std::to_string(g.min),
                     "swap them");
    }
    if (const Json* range = f.array("range")) {
      if (range->size() != 2 || !((*range)[0].is_number() && (*range)[1].is_number())) {
        context_.error("wrong-type", n.pointer + "/range", "a range is two numbers, [1, 5]", "");
      } else {
        g.low = (*range)[0].get<double>(), g.high = (*range)[1].get<double>();
        if (*g.low > *g.high)
          context_.error("out-of-range", n.pointer + "/range",
                         "nothing lies in a range from " + (*range)[0].dump() + " to " + (*range)[1].dump(),
                         "swap them");
      }
    }
    if (const std::string pattern = f.text("pattern"); !pattern.empty()) {
      auto compiled = DigitMap::create({{pattern}});
      if (compiled.ok()) {
        g.pattern = *std::move(compiled);
        g.pattern_text = pattern;
      } else {
        context_.error("bad-pattern", n.pointer + "/pattern", std::string(compiled.status().message()),
                       "test it on an input that must pass");
      }
    }
    g.terminators = f.keys("terminators", "#");
    g.tries = f.integer("tries", 3, 1, 100);
    g.timeout = f.duration("timeout", 10s, 100ms, 10min);
    g.digit_timeout = f.duration("digit_timeout", 3s, 100ms, 10min);
    g.barge = barge(n, f);
    // Keys pressed too early answer a question that was not asked yet, unless there is none.
    g.carry = f.boolean("carry", g.say.empty());
    g.sensitive = f.boolean("sensitive", row->sensitive);
    if (g.sensitive && g.into >= 0) context_.variable(g.into).secret = true;
    exit(n, f, ExitId::next);
    exit(n, f, ExitId::invalid);
    exit(n, f, ExitId::no_input);
  }

  void decision(Node& n, Fields& f) {
    static const std::vector<std::string> kKinds = {"custom", "variable", "time", "caller", "percent"};
    DecisionNode& d = n.body.emplace<DecisionNode>();
    std::string kind = f.text("kind");
    if (kind.empty()) kind = "custom";
    const auto found = std::find(kKinds.begin(), kKinds.end(), kind);
    if (found == kKinds.end()) {
      context_.error("unknown-kind", n.pointer + "/kind",
                     "no kind of decision '" + kind + "'" + suggestion(kind, kKinds), "");
      f.ignore_rest();
      return;
    }
    d.kind = static_cast<DecisionNode::Kind>(found - kKinds.begin());
    if (d.kind == DecisionNode::Kind::time) {
      d.calendar = f.text("calendar", true);
      if (!d.calendar.empty()) context_.calendar(d.calendar, n.pointer + "/calendar");
      exit(n, f, ExitId::open);
      exit(n, f, ExitId::closed);
      exit(n, f, ExitId::emergency, false);
      return;
    }
    std::string variable;
    if (d.kind == DecisionNode::Kind::variable) variable = f.text("variable", true);
    double percent = 0;
    const Json* cases = f.array("cases", true);
    for (std::size_t i = 0; cases && i < cases->size(); ++i) {
      const std::string at = n.pointer + "/cases/" + std::to_string(i);
      if (!(*cases)[i].is_object()) {
        context_.error("wrong-type", at, "a case is an object with 'next'", "");
        continue;
      }
      Fields c(context_, (*cases)[i], at);
      Case one;
      one.exit = c.text("name");
      if (one.exit.empty()) one.exit = "case" + std::to_string(i + 1);
      c.text("comment");
      const std::size_t defects = context_.found();
      switch (d.kind) {
        case DecisionNode::Kind::custom: one.when = c.condition("if"); break;
        case DecisionNode::Kind::variable: {
          const std::string op = c.text("operator");
          one.when = c.comparison(variable, op.empty() ? "equals" : op, "value");
          break;
        }
        case DecisionNode::Kind::caller: {
          const Json* callers = c.get("callers");
          if (!callers) {
            context_.error("missing-field", at, "no field 'callers'",
                           "list numbers, or name one of the flow's 'lists'");
          } else if (callers->is_string()) {
            one.list = callers->get<std::string>();
            one.callers = context_.list(one.list, at + "/callers");
          } else {
            one.callers = context_.callers(*callers, at + "/callers");
          }
          break;
        }
        case DecisionNode::Kind::percent:
          one.percent = c.number("percent", 0, 0, 100, true);
          percent += one.percent;
          break;
        case DecisionNode::Kind::time: break;
      }
      const bool readable = context_.found() == defects;
      one.target = c.target("next", true);
      exit(n, one.exit, one.target, at + "/next");
      c.done();
      if (d.kind == DecisionNode::Kind::custom && readable && one.when.is_constant()) {
        ConstantReader reader;
        context_.warning("constant-case", at + "/if",
                         one.when.test(reader) ? "this case always holds: the cases after it never do"
                                               : "this case never holds",
                         "compare a variable, or remove the case");
      }
      d.cases.push_back(std::move(one));
    }
    if (cases && cases->empty())
      context_.error("out-of-range", n.pointer + "/cases", "a decision needs at least one case", "");
    if (percent > 100.0001) {
      context_.error("out-of-range", n.pointer + "/cases",
                     "the cases add up to " + std::to_string(percent) + " percent, at most 100", "");
    }
    exit(n, f, ExitId::otherwise);
  }

  void api(Node& n, Fields& f) {
    ApiNode& a = n.body.emplace<ApiNode>();
    read_api(a, n.pointer, f, context_);
    exit(n, f, ExitId::next);
    exit(n, f, ExitId::timeout, false, "on_timeout");
    if (const Json* on_status = f.object("on_status")) {
      for (const auto& [status, target] : on_status->items()) {
        const std::string at = pointer_to(n.pointer + "/on_status", status);
        const std::pair<int, int> statuses = context_.status(status, at);
        const int to = context_.target(target, at);
        if (statuses.first) a.on_status.push_back({statuses, "status:" + status, to});
        exit(n, "status:" + status, to, at);
      }
      std::ranges::stable_partition(a.on_status,
                                    [](const auto& s) { return s.statuses.first == s.statuses.second; });
    }
  }

  void record(Node& n, Fields& f) {
    RecordNode& r = n.body.emplace<RecordNode>();
    r.say = f.say("say");
    r.beep = f.boolean("beep", true);
    r.max = f.duration("max", 180s, 1s, 4h);
    r.silence = f.duration("silence", 5s, 0s, 10min);
    r.finish_keys = f.keys("finish_keys", "#");
    r.record_digits = f.boolean("record_digits", true);
    r.name = f.text("name");
    if (!r.name.empty() && !is_node_name(r.name))
      context_.error("bad-name", n.pointer + "/name", "'" + r.name + "' is no name for a file",
                     "use letters, digits, _ and -");
    r.into = f.variable("into");
    exit(n, f, ExitId::next);
  }

  void transfer(Node& n, Fields& f) {
    read_transfer(n.body.emplace<TransferNode>(), n, f, context_);
    context_.model.names.slot(kQueueResult), context_.model.names.slot(kTransferResult);
    exit(n, f, ExitId::next);
    for (const ExitId id : {ExitId::busy, ExitId::no_answer, ExitId::rejected, ExitId::failed})
      exit(n, f, id, false);
  }

  void queue(Node& n, Fields& f) {
    QueueNode& q = n.body.emplace<QueueNode>();
    read_queue(q, n.pointer, f, context_);
    context_.model.names.slot(kQueueResult), context_.model.names.slot(kTransferResult);
    exit(n, f, ExitId::next);
    q.keys.fill(kNowhere);
    if (const Json* keys = f.object("keys")) key_exits(n, *keys, q.keys, q.exit_keys);
    for (const ExitId id : {ExitId::timeout, ExitId::full, ExitId::unavailable, ExitId::transfer_failed})
      exit(n, f, id, false);
  }

  void callback(Node& n, Fields& f) {
    read_callback(n.body.emplace<CallbackNode>(), f);
    exit(n, f, ExitId::next);
  }

  void keywords(Node& n, Fields& f) {
    read_keywords(n.body.emplace<KeywordsNode>(), n.pointer, f, context_);
    exit(n, f, ExitId::next);
  }

  void agent_status(Node& n, Fields& f) {
    read_agent_status(n.body.emplace<AgentStatusNode>(), n.pointer, f, context_);
    context_.model.names.slot(kAgentStatusResult);
    exit(n, f, ExitId::next);
    exit(n, f, ExitId::refused, false);
  }

  void hangup(Node& n, Fields& f) {
    HangupNode& h = n.body.emplace<HangupNode>();
    h.say = f.say("say");
    if (const std::string reason = f.text("reason"); !reason.empty()) h.reason = reason;
    h.status = f.integer("status", h.status, 300, 699);
  }

  void set(Node& n, Fields& f) {
    SetNode& s = n.body.emplace<SetNode>();
    if (const Json* values = f.object("set", true)) {
      for (const auto& [name, value] : values->items()) {
        const std::string at = pointer_to(n.pointer + "/set", name);
        SetNode::Assignment a;
        if (name != "language") {
          a.slot = context_.variable_name(name, at);
        } else if (value.is_string() && value.get_ref<const std::string&>().find("{{") == std::string::npos) {
          context_.language(value.get_ref<const std::string&>(), at);
        }
        if (value.is_string()) {
          a.text = context_.templ(value, at);
        } else if (value.is_object() && value.contains("expression")) {
          Fields e(context_, value, at);
          a.expression = e.condition("expression");
          a.secret = e.boolean("secret", false);
          if (a.secret && a.slot >= 0) context_.variable(a.slot).secret = true;
          e.done();
        } else {
          a.literal = value_of(value);
        }
        s.assignments.push_back(std::move(a));
      }
      if (values->empty())
        context_.error("out-of-range", n.pointer + "/set", "nothing is set", "name a variable and its value");
    }
    exit(n, f, ExitId::next);
  }

  void play_digits(Node& n, Fields& f) {
    PlayNode& p = n.body.emplace<PlayNode>();
    const Say prefix = f.say("prefix");
    const Template digits = f.templ("digits", true);
    const Say suffix = f.say("suffix");
    Piece piece;
    piece.kind = Piece::Kind::digits;
    piece.value = digits;
    p.say.in.resize(context_.model.languages.size());
    for (std::size_t l = 0; l < context_.model.languages.size(); ++l) {
      auto& out = p.say.in[l];
      if (!prefix.empty()) out = prefix.in[l];
      out.push_back(piece);
      if (!suffix.empty()) out.insert(out.end(), suffix.in[l].begin(), suffix.in[l].end());
    }
    p.barge = barge(n, f);
    exit(n, f, ExitId::next);
  }

  void play_sequence(Node& n, Fields& f) {
    PlayNode& p = n.body.emplace<PlayNode>();
    p.say = f.say("sequence", true);
    p.barge = barge(n, f);
    exit(n, f, ExitId::next);
  }

  void wait(Node& n, Fields& f) {
    n.body.emplace<WaitNode>().duration = f.duration("duration", 1s, 1ms, 24h, true);
    exit(n, f, ExitId::next);
  }

  void answer(Node& n, Fields& f) {
    n.body.emplace<AnswerNode>();
    exit(n, f, ExitId::next);
  }

  void send_digits(Node& n, Fields& f) {
    SendDigitsNode& s = n.body.emplace<SendDigitsNode>();
    s.digits = f.templ("digits", true);
    if (s.digits.is_literal()) {
      if (const auto bad = s.digits.literal().find_first_not_of(kSentKeys); bad != std::string::npos) {
        context_.error("bad-name", n.pointer + "/digits",
                       "'" + s.digits.literal().substr(bad, 1) + "' is no key and no pause",
                       "use 0-9 * # A-D, w (half a second) and W (a second)");
      }
    }
    s.tone = f.duration("tone", s.tone, 40ms, 5s);
    s.gap = f.duration("gap", s.gap, 40ms, 5s);
    exit(n, f, ExitId::next);
  }

  FieldContext& context_;
};

}  // namespace

void read_node(Node& node, const std::string& name, const Json& json, FieldContext& context) {
  NodeReader(context).read(node, name, json);
}

}  // namespace ivr::flow
