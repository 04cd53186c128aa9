#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/flow_json.hpp"
#include "core/flow_template.hpp"
#include "ivr/base.hpp"
#include "ivr/digit_map.hpp"
#include "ivr/flow.hpp"
#include "ivr/keyword_routing.hpp"
#include "ivr/router.hpp"
#include "ivr/script.hpp"

// A flow document compiled: names are indexes, texts are templates, patterns are machines. Built once by
// build_model(), then read by the checks, by the drawings and by every run.

namespace ivr::flow {

// ---------------------------------------------------------------------------------------------- prompts

struct Piece {
  enum class Kind : std::uint8_t { text, file, digits, number, money, date, time, silence, tone, mark };
  Kind kind = Kind::text;
  Template value;
  Template currency;  // money
  Millis length{0};   // silence, tone
  int language = -1;  // its own; -1: the caller's
  std::string voice;
};

// What is said, for every language of the flow.
struct Say {
  std::vector<std::vector<Piece>> in;  // by language; empty: nothing is said
  bool empty() const { return in.empty(); }
};

// ------------------------------------------------------------------------------------------------ nodes

enum class NodeType : std::uint8_t {
  welcome,
  play,
  menu,
  queue,
  transfer,
  record,
  decision,
  gather,
  api,
  hangup,
  set,
  play_digits,
  play_sequence,
  wait,
  answer,
  send_digits,
  callback,
  keywords,
  agent_status,
};

// Exits that have a name of their own; menus, decisions and api add more.
enum class ExitId : std::uint8_t {
  next,
  error,
  invalid,
  no_input,
  timeout,
  full,
  unavailable,
  busy,
  no_answer,
  rejected,
  failed,
  otherwise,
  open,
  closed,
  emergency,
  transfer_failed,
  refused,
};
inline constexpr int kExits = 17;
inline constexpr int kNowhere = -1;
// Of menus only, known when the caller is there: the menu before this one, and the first of all.
inline constexpr int kBack = -2, kTop = -3;

std::string_view exit_name(ExitId exit) noexcept;

// What stops a prompt before its end, see intent::Play.
struct Barge {
  BargeIn by = BargeIn::digits;
  BargeAt at = BargeAt::once;
  Millis grace{0}, min_speech = 200ms;

  template <class Intent>
  void give(Intent& intent) const {
    intent.barge_in = by, intent.barge_at = at, intent.grace = grace, intent.min_speech = min_speech;
  }
};

inline constexpr Barge kToTheEnd{BargeIn::none};

struct WelcomeNode {
  Say say, ask;
  std::array<int, 16> languages{};  // by key, -1: none
  bool choose = false;
  int language = -1;  // fixed, or when nothing is chosen
  int tries = 2;
  Millis timeout = 5s;
  Barge barge;
};

struct PlayNode {  // also play_digits and play_sequence
  Say say;
  int loops = 1;
  Barge barge;
};

inline constexpr int kMaxMenuKeys = 32;  // of one choice

// What a menu offers: a key, or whatever fits a pattern.
struct Choice {
  std::string exit;
  int target = kNowhere;
  std::vector<int> slots;  // of what the pattern's named groups hold
};

struct MenuNode {
  Say say, short_say, invalid_say, no_input_say, exit_say;
  bool short_on_return = false;
  std::vector<Choice> choices;  // in the order of the map
  std::shared_ptr<const DigitMap> map;
  bool many = false;                                          // has patterns: more than one key may come
  std::vector<std::pair<std::string, std::string>> patterns;  // with where each is in the document
  std::string terminators;
  Millis digit_timeout = 3s;
  struct Confirm {
    Say say;
    char key = '1';
    int attempts = 3;
    Millis timeout = 5s;
  };
  std::optional<Confirm> confirm;
  int tries = 3, max_invalid = 0, max_no_input = 0;  // 0: counted in tries
  Millis timeout = 5s;
  Barge barge;
  bool carry = true;
  int into = -1;
};

struct GatherNode {
  Say say, short_say, invalid_say, no_input_say;
  std::string kind;
  int into = -1;
  int min = 1, max = 20;
  std::string terminators = "#";
  int tries = 3;
  Millis timeout = 10s, digit_timeout = 3s;
  Barge barge;
  bool carry = true, sensitive = false;
  std::optional<double> low, high;  // range
  std::optional<DigitMap> pattern;
  std::string pattern_text;
};

struct Case {
  std::string exit;
  Expression when;
  std::vector<std::string> callers;  // exact, or a prefix ending in '*'; used when there is no expression
  std::string list;                  // of the document or the site; empty: the callers above
  double percent = 0;
  int target = kNowhere;
};

struct DecisionNode {
  enum class Kind : std::uint8_t { custom, variable, time, caller, percent } kind = Kind::custom;
  std::vector<Case> cases;
  std::string calendar;
};

struct ApiNode {
  enum class Auth : std::uint8_t { none, bearer, basic, key } auth = Auth::none;
  enum class Body : std::uint8_t { none, json, text } body_kind = Body::none;
  std::string method = "GET";
  Template url;
  std::vector<std::pair<std::string, Template>> query, headers;
  Template token, user, password;
  std::string key_name;
  bool key_in_query = false;
  Json body;                         // with templates still in its texts...
  std::vector<Template> body_texts;  // ...compiled, in the order they are met
  Template body_text;
  std::string content_type;
  Millis timeout = 5s, backoff = 500ms;
  int retries = 0;
  std::vector<std::pair<int, int>> expect = {{200, 299}};
  struct Mapping {
    int into = -1;
    std::vector<std::string> path;
    std::vector<Template::FilterCall> transforms;
    std::optional<Value> fallback;
    bool secret = false;
    std::string from;
  };
  std::vector<Mapping> map;
  int into = -1;
  bool into_is_secret = false;            // by the document's word
  std::vector<std::string> secret_reply;  // see HttpRequest
  Say filler;
  Millis filler_after = 1500ms;
  struct StatusExit {
    std::pair<int, int> statuses;  // from, to
    std::string exit;              // "status:404", "status:4xx"
    int target = kNowhere;
  };
  std::vector<StatusExit> on_status;  // single ones before ranges
};

struct RecordNode {
  Say say;
  bool beep = true;
  Millis max = 180s, silence = 5s;
  std::string finish_keys = "#", name;
  bool record_digits = true;
  int into = -1;
};

// A skill that is asked for; its name may have variables in it.
struct Need {
  Template name;
  int level = 1;
};

// What an agent must be able to do; of the names that have variables in them, what each is made of.
struct Requirement {
  SkillExpression skills;
  std::vector<std::pair<std::string, Template>> names;
};

// On what terms a caller is brought together with somebody.
struct Terms {
  Requirement required;         // beside what the queue itself asks for, as
  std::vector<Need> preferred;  // these
  Say whisper;
  std::string accept_keys;
  Template caller_id;
  Millis max_talk{0};
  bool record = false, record_digits = true, pass_digits = true;
};

struct TransferNode {
  Say say, ringback;
  Template to;
  std::string queue;  // in place of `to`: one of the flow's own, for its agents
  Terms terms;
  Millis ring_limit = 30s;
  bool refer = false;
};

struct QueueNode {
  Template queue, agent, priority;
  bool direct = false;
  Terms terms;
  Say say, hold, position_say, more_than_say, wait_say;
  std::vector<Say> messages;
  std::array<int, 16> keys{};  // target by key
  std::string exit_keys;
  Millis max_wait{0};
};

struct CallbackNode {
  Template number;  // empty: the caller's
};

struct AgentStatusNode {
  bool own = true;  // the caller's own; else `agent`
  Template agent, reason;
  std::optional<AgentState> state;  // none: toggles
};

struct KeywordsNode {
  Template text;
  std::optional<KeywordRouter> router;
  int into = -1;
};

struct SetNode {
  struct Assignment {
    int slot = -1;  // -1: the language
    std::optional<Template> text;
    std::optional<Expression> expression;
    Value literal;
    bool secret = false;
  };
  std::vector<Assignment> assignments;
};

struct WaitNode {
  Millis duration{0};
};

inline constexpr std::string_view kSentKeys = "0123456789*#ABCDwW";  // w and W pause

struct SendDigitsNode {
  Template digits;
  Millis tone = 100ms, gap = 100ms;
};

struct AnswerNode {};

struct HangupNode {
  Say say;
  std::string reason = "normal";
  int status = 480;  // of a call that was not answered
};

struct Exit {
  std::string name;
  int target = kNowhere;
  std::string pointer;
};

struct Node {
  std::string name, label;
  NodeType type = NodeType::play;
  std::string_view type_name;
  std::string pointer;
  std::array<int, kExits> to{};  // target by exit, fallbacks resolved; -1: leads nowhere
  std::vector<Exit> exits;       // as connected in the document
  std::variant<WelcomeNode, PlayNode, MenuNode, GatherNode, DecisionNode, ApiNode, RecordNode, TransferNode,
               QueueNode, SetNode, WaitNode, SendDigitsNode, AnswerNode, HangupNode, CallbackNode,
               KeywordsNode, AgentStatusNode>
      body;

  int at(ExitId exit) const { return to[static_cast<std::size_t>(exit)]; }
};

// ------------------------------------------------------------------------------------------------- flow

struct Variable {
  Value initial;
  bool declared = false;
  bool secret = false;
};

struct Model {
  std::string id, label, digest;
  Json document;
  std::vector<std::string> languages = {"en"};
  std::vector<std::string> voices;  // by language
  Names names;
  std::vector<Variable> variables;  // by slot
  std::vector<std::pair<std::string, CalendarOptions>> calendars;
  std::vector<QueueOptions> queues;  // of transfers to agents
  std::string time_zone = "UTC";
  std::vector<Node> nodes;
  bool answer_later = false;
  int start = kNowhere;
  int on_error = kNowhere;
  int on_hangup = kNowhere;
  std::size_t connections = 0;

  int language(std::string_view name) const {
    for (std::size_t i = 0; i < languages.size(); ++i) {
      if (languages[i] == name) return static_cast<int>(i);
    }
    return -1;
  }
};

// The key's index in the tables above: 0-9, then * # A B C D; -1: no key.
int key_index(char key) noexcept;

// What a node type promises; the rows are in flow_types.cpp.
struct TypeRow {
  std::string_view name;
  NodeType type;
  std::string_view profile, what;
  bool can_fail;  // has an `error` exit
  bool waits;     // for the caller: a loop through it is no spin
  bool alone;     // does what it does when the caller has hung up, too
  std::vector<ExitId> exits;
};
const std::vector<TypeRow>& type_rows();
const TypeRow& type_row(NodeType type);
const TypeRow* find_type(std::string_view name);

// Compiles what can be compiled and reports everything that cannot. The model is complete only without
// errors.
std::unique_ptr<Model> build_model(Json document, const FlowCheckOptions& options,
                                   std::vector<Finding>& findings);

// Nodes that a node leads to, with the name of the exit; the unconnected error exit leads to on_error.
struct Edge {
  int to = kNowhere;
  std::string_view exit;
  bool implied = false;
};
std::vector<Edge> edges_of(const Model& model, int node);

// Where a run begins, and where it goes on after the end of the call.
std::vector<int> entries_of(const Model& model);

// What a node reads before it leaves, and sets when it leaves by `next`.
struct Use {
  std::vector<Read> reads;
  std::vector<std::string> pointers;  // of each read
  std::vector<int> sets;              // on the exit `next`
};
Use use_of(const Model& model, int node);

}  // namespace ivr::flow
