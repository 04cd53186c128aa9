#include "core/simulator_picture.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

// Layers, as Sugiyama has them: edges that lead back are turned, long ones get a joint in every layer they
// pass, and a few sweeps put each place near the middle of its neighbours.

namespace ivr::simulation {
namespace {

constexpr double kWide = 168, kHigh = 50, kJoint = 26, kGap = 26, kLayer = 124, kEdge = 24;

struct Place {
  int node = -1;  // -1: a joint
  int layer = 0;
  double at = 0, x = 0;
  std::vector<int> up, down;
  double width() const { return node >= 0 ? kWide : kJoint; }
};

struct Line {
  int from = 0, to = 0;  // nodes
  bool turned = false, implied = true;
  std::string exits;
  std::uint64_t calls = 0;
  std::vector<int> way;  // places, downwards
};

std::string number(double x) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", x);
  return text;
}

std::string grouped(std::uint64_t n) {
  std::string text = std::to_string(n);
  for (std::size_t i = text.size(); i > 3; i -= 3) text.insert(i - 3, "\u2009");
  return text;
}

std::string cut(const std::string& text, std::size_t letters) {
  if (text.size() <= letters) return text;
  std::size_t end = letters - 1;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + "\u2026";
}

std::string colour(std::string_view type) {
  if (type == "menu" || type == "gather") return "#e3f0fd";
  if (type == "queue" || type == "transfer" || type == "callback" || type == "agent_status") return "#e4f5e6";
  if (type == "decision" || type == "set" || type == "keywords") return "#fff6dd";
  if (type == "api") return "#def3f0";
  if (type == "record") return "#fce6ee";
  if (type == "hangup") return "#eceff1";
  return "#f4effb";
}

class Picture {
 public:
  Picture(const std::vector<SimulatedNode>& nodes, int start, const std::vector<int>& more) : nodes_(nodes) {
    connect();
    layers(start, more);
    joints();
    arrange();
  }

  std::string svg() {
    double width = 0;
    for (const Place& place : places_) width = std::max(width, place.x + place.width() / 2);
    width += kEdge;
    const double height = kEdge * 2 + 18 + static_cast<double>(layers_.size()) * kLayer - (kLayer - kHigh);
    std::string out = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + number(width) + " " +
                      number(height) + "\" width=\"" + number(width) + "\" height=\"" + number(height) +
                      "\" font-family=\"system-ui, sans-serif\" role=\"img\">\n"
                      "<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"9\" "
                      "markerHeight=\"9\" "
                      "markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" "
                      "fill=\"#546e7a\"/></marker></defs>\n";
    std::string words;
    for (const Line& line : lines_) edge(line, out, words);
    for (const Place& place : places_) {
      if (place.node >= 0) node(place, out);
    }
    return out + words + "</svg>\n";
  }

 private:
  static double top(int layer) { return kEdge + 18 + layer * kLayer; }

  void connect() {
    std::map<std::string, int> numbers;
    for (std::size_t i = 0; i < nodes_.size(); ++i) numbers[nodes_[i].name] = static_cast<int>(i);
    std::map<std::pair<int, int>, std::size_t> known;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      for (const SimulatedWay& way : nodes_[i].ways) {
        const auto to = numbers.find(way.to);
        if (to == numbers.end() || (way.implied && way.calls == 0)) continue;
        const int from = static_cast<int>(i);
        const auto [line, fresh] = known.try_emplace({from, to->second}, lines_.size());
        if (fresh) lines_.push_back({from, to->second, false, true, {}, 0, {}});
        Line& l = lines_[line->second];
        if (way.calls > 0 && l.calls == 0) l.exits.clear();  // what was taken, where something was
        if (way.calls > 0 || l.calls == 0) l.exits += (l.exits.empty() ? "" : ", ") + way.exit;
        l.calls += way.calls;
        l.implied = l.implied && way.implied;
        most_ = std::max(most_, l.calls);
      }
    }
  }

  void layers(int start, const std::vector<int>& more) {
    std::vector<std::vector<std::size_t>> out(nodes_.size());
    for (std::size_t i = 0; i < lines_.size(); ++i)
      out[static_cast<std::size_t>(lines_[i].from)].push_back(i);
    std::vector<int> state(nodes_.size());
    std::vector<int> order;
    struct At {
      int node;
      std::size_t next;
    };
    const auto visit = [&](int root) {
      if (root < 0 || state[static_cast<std::size_t>(root)] != 0) return;
      std::vector<At> stack{{root, 0}};
      state[static_cast<std::size_t>(root)] = 1;
      while (!stack.empty()) {
        At& at = stack.back();
        const auto& edges = out[static_cast<std::size_t>(at.node)];
        if (at.next == edges.size()) {
          state[static_cast<std::size_t>(at.node)] = 2;
          order.push_back(at.node);
          stack.pop_back();
          continue;
        }
        Line& line = lines_[edges[at.next++]];
        int& of = state[static_cast<std::size_t>(line.to)];
        if (of == 1) line.turned = true;
        if (of == 0) {
          of = 1;
          stack.push_back({line.to, 0});
        }
      }
    };
    visit(start);
    for (const int root : more) visit(root);
    for (std::size_t i = 0; i < nodes_.size(); ++i) visit(static_cast<int>(i));
    layer_.assign(nodes_.size(), 0);
    for (auto node = order.rbegin(); node != order.rend(); ++node) {
      for (const std::size_t i : out[static_cast<std::size_t>(*node)]) {
        const Line& line = lines_[i];
        if (line.turned) continue;
        int& below = layer_[static_cast<std::size_t>(line.to)];
        below = std::max(below, layer_[static_cast<std::size_t>(*node)] + 1);
      }
    }
  }

  int place(int node, int layer) {
    if (layers_.size() <= static_cast<std::size_t>(layer))
      layers_.resize(static_cast<std::size_t>(layer) + 1);
    const int index = static_cast<int>(places_.size());
    places_.push_back(
        {node, layer, static_cast<double>(layers_[static_cast<std::size_t>(layer)].size()), 0, {}, {}});
    layers_[static_cast<std::size_t>(layer)].push_back(index);
    return index;
  }

  void joints() {
    std::vector<int> of;
    for (std::size_t i = 0; i < nodes_.size(); ++i) of.push_back(place(static_cast<int>(i), layer_[i]));
    for (Line& line : lines_) {
      int a = line.from, b = line.to;
      if (layer_[static_cast<std::size_t>(a)] > layer_[static_cast<std::size_t>(b)]) std::swap(a, b);
      line.way.push_back(of[static_cast<std::size_t>(a)]);
      for (int layer = layer_[static_cast<std::size_t>(a)] + 1; layer < layer_[static_cast<std::size_t>(b)];
           ++layer)
        line.way.push_back(place(-1, layer));
      line.way.push_back(of[static_cast<std::size_t>(b)]);
      for (std::size_t i = 0; i + 1 < line.way.size(); ++i) {
        places_[static_cast<std::size_t>(line.way[i])].down.push_back(line.way[i + 1]);
        places_[static_cast<std::size_t>(line.way[i + 1])].up.push_back(line.way[i]);
      }
    }
  }

  void arrange() {
    for (int sweep = 0; sweep < 12; ++sweep) {
      const bool down = sweep % 2 == 0;
      for (std::size_t n = 0; n < layers_.size(); ++n) {
        auto& layer = layers_[down ? n : layers_.size() - 1 - n];
        std::vector<std::pair<double, int>> wanted;
        for (const int index : layer) {
          const Place& p = places_[static_cast<std::size_t>(index)];
          const auto& near = down ? p.up : p.down;
          double sum = 0;
          for (const int other : near) sum += places_[static_cast<std::size_t>(other)].at;
          wanted.emplace_back(near.empty() ? p.at : sum / static_cast<double>(near.size()), index);
        }
        std::stable_sort(wanted.begin(), wanted.end(),
                         [](const auto& a, const auto& b) { return a.first < b.first; });
        for (std::size_t i = 0; i < wanted.size(); ++i) {
          layer[i] = wanted[i].second;
          places_[static_cast<std::size_t>(wanted[i].second)].at =
              static_cast<double>(i) - static_cast<double>(wanted.size()) / 2;
        }
      }
    }
    // Side by side first, then towards the neighbours as far as those beside leave room.
    for (auto& layer : layers_) {
      double x = 0;
      for (const int index : layer) {
        Place& p = places_[static_cast<std::size_t>(index)];
        p.x = x + p.width() / 2;
        x += p.width() + kGap;
      }
      for (const int index : layer) places_[static_cast<std::size_t>(index)].x -= x / 2;
    }
    for (int sweep = 0; sweep < 24; ++sweep) {
      for (std::size_t n = 0; n < layers_.size(); ++n) {
        auto& layer = layers_[sweep % 2 == 0 ? n : layers_.size() - 1 - n];
        for (std::size_t k = 0; k < layer.size(); ++k) {
          const std::size_t i = sweep % 4 < 2 ? k : layer.size() - 1 - k;
          Place& p = places_[static_cast<std::size_t>(layer[i])];
          double sum = 0;
          std::size_t count = 0;
          for (const auto* near : {&p.up, &p.down}) {
            for (const int other : *near) sum += places_[static_cast<std::size_t>(other)].x;
            count += near->size();
          }
          if (count == 0) continue;
          double x = sum / static_cast<double>(count);
          if (i > 0) {
            const Place& left = places_[static_cast<std::size_t>(layer[i - 1])];
            x = std::max(x, left.x + (left.width() + p.width()) / 2 + kGap);
          }
          if (i + 1 < layer.size()) {
            const Place& right = places_[static_cast<std::size_t>(layer[i + 1])];
            x = std::min(x, right.x - (right.width() + p.width()) / 2 - kGap);
          }
          p.x = x;
        }
      }
    }
    double least = 0;
    for (const Place& p : places_) least = std::min(least, p.x - p.width() / 2);
    for (Place& p : places_) p.x += kEdge - least;
  }

  void edge(const Line& line, std::string& out, std::string& words) {
    const bool up = places_[static_cast<std::size_t>(line.way.front())].node != line.from;
    const auto at = [&](int index) -> const Place& { return places_[static_cast<std::size_t>(index)]; };
    struct Point {
      double x, y;
    };
    std::vector<Point> points;
    const double shift = up ? 22 : 0;  // ways back stand beside ways on
    for (std::size_t i = 0; i < line.way.size(); ++i) {
      const Place& p = at(line.way[i]);
      double x = p.x + (p.node >= 0 ? shift : 0);
      if (p.node >= 0) x += port(p, line, i == 0);
      const double y = top(p.layer);
      if (i == 0) {
        points.push_back({x, y + kHigh});
      } else if (i + 1 == line.way.size()) {
        points.push_back({x, y});
      } else {
        points.push_back({x, y});
        points.push_back({x, y + kHigh});
      }
    }
    if (up) std::reverse(points.begin(), points.end());
    std::string d = "M" + number(points[0].x) + " " + number(points[0].y);
    for (std::size_t i = 1; i < points.size(); ++i) {
      const Point a = points[i - 1], b = points[i];
      if (a.x == b.x && i % 2 == 0) {
        d += "L" + number(b.x) + " " + number(b.y);
        continue;
      }
      const double half = (b.y - a.y) / 2;
      d += "C" + number(a.x) + " " + number(a.y + half) + " " + number(b.x) + " " + number(b.y - half) + " " +
           number(b.x) + " " + number(b.y);
    }
    const double share = most_ == 0 ? 0 : static_cast<double>(line.calls) / static_cast<double>(most_);
    const std::string width = number(line.calls == 0 ? 1 : 1.2 + 9 * share);
    out += "<path d=\"" + d + "\" fill=\"none\" stroke=\"" + (line.calls == 0 ? "#c9b3b3" : "#78909c") +
           "\" stroke-opacity=\"0.75\" stroke-width=\"" + width + "\"" +
           (line.calls == 0 ? " stroke-dasharray=\"4 4\"" : "") + " marker-end=\"url(#tip)\"><title>" +
           escaped(nodes_[static_cast<std::size_t>(line.from)].name + " \u2192 " +
                   nodes_[static_cast<std::size_t>(line.to)].name + " (" + line.exits +
                   "): " + std::to_string(line.calls)) +
           "</title></path>\n";
    // On its first stretch, where no other words are.
    const Point a = points[0], b = points[1];
    const double half = (b.y - a.y) / 2,
                 wide = 5.6 * static_cast<double>(std::min<std::size_t>(line.exits.size(), 22)) + 6;
    double x = a.x, y = a.y;
    for (const double t : {0.42, 0.55, 0.3, 0.66, 0.2, 0.76}) {
      const double u = 1 - t;
      x = u * u * u * a.x + 3 * u * u * t * a.x + 3 * u * t * t * b.x + t * t * t * b.x;
      y = u * u * u * a.y + 3 * u * u * t * (a.y + half) + 3 * u * t * t * (b.y - half) + t * t * t * b.y;
      const bool free = std::none_of(labels_.begin(), labels_.end(), [&](const Label& l) {
        return std::abs(l.x - x) < (l.wide + wide) / 2 && std::abs(l.y - y) < 22;
      });
      if (free) break;
    }
    labels_.push_back({x, y, wide});
    words += "<text x=\"" + number(x) + "\" y=\"" + number(y) +
             "\" font-size=\"10\" text-anchor=\"middle\" paint-order=\"stroke\" stroke=\"#fff\" "
             "stroke-width=\"3\" fill=\"" +
             (line.calls == 0 ? "#a08080" : "#263238") + "\"><tspan x=\"" + number(x) + "\">" +
             escaped(cut(line.exits, 22)) + "</tspan><tspan x=\"" + number(x) +
             "\" dy=\"11\" font-weight=\"600\">" + grouped(line.calls) + "</tspan></text>\n";
  }

  // Where at its box a line begins or ends: side by side, in the order of where they lead.
  double port(const Place& p, const Line& line, bool bottom) const {
    const auto& near = bottom ? p.down : p.up;
    if (near.size() < 2) return 0;
    const int other = bottom ? line.way[1] : line.way[line.way.size() - 2];
    std::size_t before = 0;
    for (const int each : near) {
      const Place& q = places_[static_cast<std::size_t>(each)];
      const Place& o = places_[static_cast<std::size_t>(other)];
      before += q.x < o.x || (q.x == o.x && each < other);
    }
    const double room = std::min(kWide - 30, 26.0 * static_cast<double>(near.size() - 1));
    return -room / 2 + room * static_cast<double>(before) / static_cast<double>(near.size() - 1);
  }

  void node(const Place& place, std::string& out) const {
    const SimulatedNode& n = nodes_[static_cast<std::size_t>(place.node)];
    const double x = place.x - kWide / 2, y = top(place.layer);
    out += "<g><title>" +
           escaped(n.name + ", " + n.type + ": " + std::to_string(n.visits) + " visits, " +
                   std::to_string(n.lost) + " hung up here") +
           "</title><rect x=\"" + number(x) + "\" y=\"" + number(y) + "\" width=\"" + number(kWide) +
           "\" height=\"" + number(kHigh) + "\" rx=\"7\" fill=\"" +
           (n.visits == 0 ? "#fff" : colour(n.type)) + "\" stroke=\"" +
           (n.visits == 0 ? "#c62828\" stroke-dasharray=\"5 4" : "#90a4ae") + "\"/>";
    out += "<text x=\"" + number(place.x) + "\" y=\"" + number(y + 20) +
           "\" font-size=\"13\" font-weight=\"600\" text-anchor=\"middle\" fill=\"#1b262c\">" +
           escaped(cut(n.name, 21)) + "</text>";
    out += "<text x=\"" + number(place.x) + "\" y=\"" + number(y + 38) +
           "\" font-size=\"11\" text-anchor=\"middle\" fill=\"#455a64\">" + escaped(n.type) + " \u00b7 " +
           grouped(n.visits) +
           (n.lost == 0 ? "" : "<tspan fill=\"#c62828\" dx=\"5\">\u2212" + grouped(n.lost) + "</tspan>") +
           "</text></g>\n";
  }

  const std::vector<SimulatedNode>& nodes_;
  std::vector<Line> lines_;
  std::vector<int> layer_;
  std::vector<Place> places_;
  std::vector<std::vector<int>> layers_;
  std::uint64_t most_ = 0;
  struct Label {
    double x, y, wide;
  };
  std::vector<Label> labels_;
};

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out.push_back(static_cast<unsigned char>(c) < 0x20 ? ' ' : c);
    }
  }
  return out;
}

std::string traffic_svg(const std::vector<SimulatedNode>& nodes, int start, const std::vector<int>& more) {
  return Picture(nodes, start, more).svg();
}

}  // namespace ivr::simulation
