#include "core/flow_api.hpp"
#include "core/flow_fields.hpp"
#include "core/flow_model.hpp"
#include "core/flow_nodes.hpp"

namespace ivr::flow {

namespace {

// The document around the nodes, and the exits that it leaves open.
class ModelBuilder {
 public:
  ModelBuilder(Model& model, const FlowCheckOptions& options, std::vector<Finding>& findings)
      : model_(model), options_(options), context_{model, findings, node_names_} {}

  void build() {
    const Json& doc = model_.document;
    if (!doc.is_object()) {
      context_.error("wrong-type", "", "a flow is a JSON object", "start from examples/flows/greeting.json");
      return;
    }
    Fields top(context_, doc, "");
    header(top);
    const Json* nodes = top.object("nodes", true);
    if (nodes) {
      for (const auto& [name, node] : nodes->items()) {
        (void)node;
        node_names_.push_back(name);
      }
      context_.index_nodes();
    }
    model_.start = top.target("start", true);
    model_.on_error = top.target("on_error", false);
    model_.on_hangup = top.target("on_hangup", false);
    model_.nodes.resize(node_names_.size());
    if (nodes) {
      std::size_t i = 0;
      for (const auto& [name, json] : nodes->items()) read_node(model_.nodes[i++], name, json, context_);
      if (node_names_.empty())
        context_.error("out-of-range", "/nodes", "a flow needs at least one node",
                       "add one, and name it in 'start'");
      if (node_names_.size() > 10'000) {
        context_.error("out-of-range", "/nodes", std::to_string(node_names_.size()) + " nodes, at most 10000",
                       "split the flow");
      }
    }
    top.done();
    model_.variables.resize(static_cast<std::size_t>(model_.names.size()));
    settle_exits();
    settle_replies();
  }

 private:
  void header(Fields& top) {
    if (const Json* version = top.get("ivr"); !version) {
      context_.error("missing-field", "", "no field 'ivr', the version of the flow language",
                     "add \"ivr\": 1");
    } else if (!version->is_number_integer() || *version != 1) {
      context_.error("version", "/ivr", "flow language " + version->dump() + " is not known, only 1 is",
                     "write \"ivr\": 1");
    }
    if (top.has("include")) {
      context_.error("bad-include", "/include", "texts to be included, and this document is loaded as it is",
                     "compose it first: compose_flow(), or 'ivr check' and 'ivr serve', which do");
      top.get("include");
    }
    model_.id = top.name("id", true);
    model_.label = top.text("label");
    top.text("comment");
    top.text("$schema");  // for editors
    if (const std::string answer = top.text("answer"); !answer.empty() && answer != "now") {
      model_.answer_later = answer == "later";
      if (!model_.answer_later) {
        context_.error("unknown-kind", "/answer", "'" + answer + "' is neither \"now\" nor \"later\"", "");
      }
    }
    if (const Json* list = top.array("languages")) {
      model_.languages.clear();
      for (std::size_t i = 0; i < list->size(); ++i) {
        const Json& one = (*list)[i];
        const std::string at = "/languages/" + std::to_string(i);
        if (!one.is_string() || one.get_ref<const std::string&>().empty() ||
            one.get_ref<const std::string&>().size() > 35) {
          context_.error("wrong-type", at, "a language is a text such as \"en\"", "");
        } else if (model_.language(one.get_ref<const std::string&>()) >= 0) {
          context_.error("duplicate-key", at, "language " + one.dump() + " is here twice", "remove one");
        } else {
          model_.languages.push_back(one.get<std::string>());
        }
      }
      if (model_.languages.empty()) {
        context_.error("out-of-range", "/languages", "no language", "list at least one, such as [\"en\"]");
        model_.languages = {"en"};
      }
    }
    model_.voices.resize(model_.languages.size());
    if (const Json* voices = top.object("voices")) {
      for (const auto& [language, voice] : voices->items()) {
        const int index = context_.language(language, pointer_to("/voices", language));
        if (!voice.is_string()) {
          context_.error("wrong-type", pointer_to("/voices", language), "a voice is a text", "");
        } else if (index >= 0) {
          model_.voices[static_cast<std::size_t>(index)] = voice.get<std::string>();
        }
      }
    }
    if (const Json* variables = top.object("variables")) {
      for (const auto& [name, value] : variables->items()) {
        const int slot = context_.variable_name(name, pointer_to("/variables", name));
        if (slot < 0) continue;
        Variable& v = context_.variable(slot);
        v.declared = true;
        v.initial = value_of(value);
      }
    }
    if (const Json* secrets = top.array("secrets")) {
      for (std::size_t i = 0; i < secrets->size(); ++i) {
        const std::string at = "/secrets/" + std::to_string(i);
        if (!(*secrets)[i].is_string()) {
          context_.error("wrong-type", at, "a secret is the name of a variable", "");
        } else if (const int slot = context_.variable_name((*secrets)[i].get_ref<const std::string&>(), at);
                   slot >= 0) {
          context_.variable(slot).secret = true;
        }
      }
    }
    if (const Json* lists = top.object("lists")) {
      for (const auto& [name, list] : lists->items()) {
        context_.lists.emplace_back(name, context_.callers(list, pointer_to("/lists", name)));
      }
    }
    if (const std::string zone = top.text("time_zone"); !zone.empty()) model_.time_zone = zone;
    if (const Json* calendars = top.object("calendars")) {
      for (const auto& [name, calendar] : calendars->items()) {
        const std::string at = pointer_to("/calendars", name);
        if (!is_name(name)) {
          context_.error("bad-name", at, "'" + name + "' is no name for a calendar",
                         "use letters, digits and _");
        }
        context_.calendars.push_back(name);
        auto parsed = parse_calendar(calendar.dump(-1, ' ', false, Json::error_handler_t::replace));
        if (parsed.ok()) {
          model_.calendars.emplace_back(name, *std::move(parsed));
          continue;
        }
        // "/hours/mon/0: ..."
        const std::string message(parsed.status().message());
        const std::size_t colon = message.find(": ");
        const bool pointed = message[0] == '/' && colon != std::string::npos;
        context_.error("bad-calendar", pointed ? at + message.substr(0, colon) : at,
                       pointed ? message.substr(colon + 2) : message, "");
      }
    }
    context_.calendars.insert(context_.calendars.end(), options_.calendars.begin(), options_.calendars.end());
    context_.site_lists = options_.lists;
    context_.queues = options_.queues;
    context_.agents = options_.agents;
    context_.skills = options_.skills;
  }

  void settle_replies() {
    for (bool again = true; again;) {
      again = false;
      for (Node& n : model_.nodes) {
        if (auto* api = std::get_if<ApiNode>(&n.body)) again |= settle_secrets(*api, context_);
      }
    }
  }

  // Exits that the document leaves open lead where the language says, or are a defect.
  void settle_exits() {
    for (Node& n : model_.nodes) {
      if (n.type_name.empty()) continue;
      model_.connections += n.exits.size();
      const auto fall = [&](ExitId from, ExitId to) {
        int& target = n.to[static_cast<std::size_t>(from)];
        if (target < 0) target = n.at(to);
      };
      const bool last =
          model_.on_error >= 0 && &n == &model_.nodes[static_cast<std::size_t>(model_.on_error)];
      if (type_row(n.type).can_fail && n.at(ExitId::error) < 0 && !last) {
        n.to[static_cast<std::size_t>(ExitId::error)] = model_.on_error;
        if (model_.on_error < 0 && !context_.had("/on_error") &&
            !context_.had(pointer_to(n.pointer, "error"))) {
          context_.error(
              "open-exit", n.pointer,
              "exit 'error' leads nowhere, and a node of type '" + std::string(n.type_name) + "' can fail",
              "connect 'error', or give the flow an 'on_error' node");
        }
      }
      switch (n.type) {
        case NodeType::transfer:
          fall(ExitId::failed, ExitId::error);
          for (const ExitId id : {ExitId::busy, ExitId::no_answer, ExitId::rejected})
            fall(id, ExitId::failed);
          break;
        case NodeType::queue:
          for (const ExitId id :
               {ExitId::timeout, ExitId::full, ExitId::unavailable, ExitId::transfer_failed})
            fall(id, ExitId::error);
          break;
        case NodeType::agent_status: fall(ExitId::refused, ExitId::error); break;
        case NodeType::api: fall(ExitId::timeout, ExitId::error); break;
        default: break;
      }
    }
  }

  Model& model_;
  const FlowCheckOptions& options_;
  std::vector<std::string> node_names_;
  FieldContext context_;
};

}  // namespace

std::unique_ptr<Model> build_model(Json document, const FlowCheckOptions& options,
                                   std::vector<Finding>& findings) {
  auto model = std::make_unique<Model>();
  model->document = std::move(document);
  ModelBuilder(*model, options, findings).build();
  return model;
}

}  // namespace ivr::flow
