#include "fabric/graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "fabric/program.h"
#include "regs/sequencer.hpp"

namespace rdu::fabric {
namespace {

namespace codes = rdu::regs::sequencer::FAULT;

constexpr uint32_t kMaster = RDU_UNIT(RDU_UNIT_AGCU, 0, 0);

/// Runs a unit's decode() and names the unit in what it throws.
template <class Decode>
auto decode(uint32_t id, Decode decode_words) {
  try {
    return decode_words();
  } catch (const BadConfig& e) {
    throw LoadFault(codes::CODE_BAD_CONFIG, id, fmt::format("{}: {}", unit_name(id), e.what()));
  }
}

[[noreturn]] void bad_route(uint32_t unit, const std::string& text) {
  throw LoadFault(codes::CODE_BAD_ROUTE, unit, text);
}

bool same_ports(const PcuConfig& a, const PcuConfig& b) {
  return a.mode == b.mode && a.uses_input == b.uses_input && a.out_flow == b.out_flow;
}
bool same_ports(const PmuConfig& a, const PmuConfig& b) {
  return a.enabled == b.enabled && a.out_flow == b.out_flow;
}
bool same_ports(const AgcuConfig& a, const AgcuConfig& b) {
  return a.load == b.load && a.store == b.store && a.out_flow == b.out_flow && a.done_token == b.done_token &&
         a.tokens == b.tokens;
}

}  // namespace

Scratchpads::Scratchpads(const FabricParams& params) : columns_(params.columns) {
  pads_.reserve(params.rows * params.columns);
  for (uint64_t i = 0; i < params.rows * params.columns; ++i) pads_.emplace_back(params.pmu_bytes);
}

void Scratchpads::clear() {
  for (Scratchpad& pad : pads_) pad.clear();
}

Graph::Graph(const Site& site, const ProgramImage& program) : site_(site), params_(site.context.params) {
  make_units(program);
  connect(program);
  check_inputs();
}

Graph::~Graph() {
  site_.context.work.clear();
}

void Graph::make_units(const ProgramImage& program) {
  for (const auto& [id, words] : program.units()) {
    const unsigned row = RDU_UNIT_ROW(id);
    const unsigned column = RDU_UNIT_COL(id);
    const ConfigWords& w = words;
    const uint32_t unit = id;
    switch (RDU_UNIT_KIND(id)) {
      case RDU_UNIT_PCU: {
        const PcuConfig config = decode(unit, [&] { return PcuConfig::decode(w, params_); });
        if (config.mode == PcuConfig::Mode::off) break;
        auto made = Pcu::make(site_.context, unit, config);
        pcus_.push_back(made.get());
        units_.emplace(unit, std::move(made));
        break;
      }
      case RDU_UNIT_PMU: {
        const PmuConfig config = decode(unit, [&] { return PmuConfig::decode(w, params_); });
        if (!config.enabled) break;
        auto made = std::make_unique<Pmu>(site_.context, unit, config, site_.pads.at(row, column));
        pmus_.push_back(made.get());
        units_.emplace(unit, std::move(made));
        break;
      }
      case RDU_UNIT_AGCU: {
        const AgcuConfig config = decode(unit, [&] { return AgcuConfig::decode(w, unit == kMaster); });
        if (!config.used()) break;
        const uint32_t initiator = site_.first_initiator + 2 * (2 * row + column);
        auto made = std::make_unique<Agcu>(site_.context, unit, config, site_.memory, initiator,
                                           site_.name + "." + unit_name(unit));
        agcus_.push_back(made.get());
        units_.emplace(unit, std::move(made));
        break;
      }
      default:
        break;
    }
  }
  if (std::none_of(agcus_.begin(), agcus_.end(), [](const Agcu* agcu) { return agcu->config().store; })) {
    throw LoadFault(codes::CODE_BAD_CONFIG, 0, "no AGCU stores anything: the kernel would have no end");
  }
}

Unit* Graph::find(uint32_t id) const {
  const auto found = units_.find(id);
  return found == units_.end() ? nullptr : found->second.get();
}

void Graph::connect(const ProgramImage& program) {
  try {
    Router router(params_, program.units());
    for (Pcu* pcu : pcus_) {
      connect_stream(router, pcu->output(), RDU_UNIT_ROW(pcu->id()), RDU_UNIT_COL(pcu->id()), port::kFromPcu,
                     pcu->config().out_flow);
    }
    for (Pmu* pmu : pmus_) {
      connect_stream(router, pmu->output(), RDU_UNIT_ROW(pmu->id()), RDU_UNIT_COL(pmu->id()), port::kFromPmu,
                     pmu->config().out_flow);
    }
    for (Agcu* agcu : agcus_) {
      if (!agcu->config().load) continue;
      const unsigned column = RDU_UNIT_COL(agcu->id()) == 0 ? 0 : static_cast<unsigned>(params_.columns - 1);
      connect_stream(router, agcu->output(), RDU_UNIT_ROW(agcu->id()), column, port::kFromAgcu,
                     agcu->config().out_flow);
    }
    connect_tokens(router);
  } catch (const BadRoute& e) {
    bad_route(e.unit(), e.what());
  }
}

void Graph::connect_stream(Router& router, OutputPort& output, unsigned row, unsigned column, unsigned in,
                           unsigned flow) {
  Router::Stream traced = router.trace(output.owner().id(), row, column, in, flow);
  // The router's order depends on how it walks; consumers are kept in the order of their places.
  std::sort(traced.ends.begin(), traced.ends.end(), [](const RouteEnd& a, const RouteEnd& b) {
    return std::tie(a.row, a.column, a.port) < std::tie(b.row, b.column, b.port);
  });
  for (const RouteEnd& end : traced.ends)
    output.connect(input_at(end, output.owner().id()), end.switches + 1, params_);
  streams_.push_back({&output, std::move(traced.steps)});
}

InputPort& Graph::input_at(const RouteEnd& end, uint32_t source) {
  const uint32_t here = RDU_UNIT(RDU_UNIT_SWITCH, end.row, end.column);
  if (end.port < port::kToPmu) {
    const uint32_t id = RDU_UNIT(RDU_UNIT_PCU, end.row, end.column);
    auto* pcu = static_cast<Pcu*>(find(id));
    const unsigned input = end.port - port::kToPcu;
    if (pcu && pcu->config().uses_input[input]) return pcu->input(input);
    bad_route(id, fmt::format("the stream from {} leads to input {} of {}, which does not use it",
                              unit_name(source), input, unit_name(id)));
  }
  if (end.port < port::kToAgcu) {
    const uint32_t id = RDU_UNIT(RDU_UNIT_PMU, end.row, end.column);
    auto* pmu = static_cast<Pmu*>(find(id));
    const unsigned input = end.port - port::kToPmu;
    if (pmu && input == 0) return pmu->input();
    bad_route(id, fmt::format("the stream from {} leads to input {} of {}, which does not use it",
                              unit_name(source), input, unit_name(id)));
  }
  const bool is_west = end.column == 0;
  if (!is_west && end.column + 1 != params_.columns) {
    bad_route(here, fmt::format("the stream from {} leads to the AGCU at {}, where there is none",
                                unit_name(source), unit_name(here)));
  }
  const uint32_t id = RDU_UNIT(RDU_UNIT_AGCU, end.row, is_west ? 0 : 1);
  auto* agcu = static_cast<Agcu*>(find(id));
  const unsigned input = end.port - port::kToAgcu;
  if (agcu && agcu->config().store && input == 0) return agcu->input();
  bad_route(id, fmt::format("the stream from {} leads to input {} of {}, which does not use it",
                            unit_name(source), input, unit_name(id)));
}

void Graph::connect_tokens(Router& router) {
  const auto* master = static_cast<const Agcu*>(find(kMaster));
  const uint8_t waited = master ? master->config().tokens : 0;
  uint8_t driven = 0;
  for (const Agcu* agcu : agcus_) {
    if (!agcu->config().done_token) continue;
    const unsigned column = RDU_UNIT_COL(agcu->id()) == 0 ? 0 : static_cast<unsigned>(params_.columns - 1);
    uint64_t latency = 0;
    for (const RouteEnd& end :
         router.trace_token(agcu->id(), RDU_UNIT_ROW(agcu->id()), column, port::kControlFromAgcu + 1)) {
      const unsigned input = end.port - port::kControlToAgcu;
      if (end.port < port::kControlToAgcu || end.row != 0 || end.column != 0 || (waited >> input & 1) == 0) {
        bad_route(agcu->id(),
                  fmt::format("the token of {} leads to control output {} of {}, where nobody waits for it",
                              unit_name(agcu->id()), end.port,
                              unit_name(RDU_UNIT(RDU_UNIT_SWITCH, end.row, end.column))));
      }
      driven |= static_cast<uint8_t>(1u << input);
      latency = std::max(latency, (end.switches + 1) * params_.hop_cycles);
    }
    tokens_.push_back({agcu, latency});
  }
  if (driven != waited) {
    bad_route(kMaster, fmt::format("the master waits for token inputs {:#x}, but only {:#x} are driven",
                                   waited, driven));
  }
}

void Graph::check_inputs() {
  const auto require = [](bool connected, uint32_t id, unsigned input) {
    if (!connected) bad_route(id, fmt::format("no route leads to input {} of {}", input, unit_name(id)));
  };
  for (Pcu* pcu : pcus_) {
    for (unsigned i = 0; i < PcuConfig::kInputs; ++i) {
      require(!pcu->config().uses_input[i] || pcu->input(i).connected(), pcu->id(), i);
    }
  }
  for (Pmu* pmu : pmus_) require(pmu->input().connected(), pmu->id(), 0);
  for (Agcu* agcu : agcus_) require(!agcu->config().store || agcu->input().connected(), agcu->id(), 0);
}

bool Graph::reconfigure(const ProgramImage& program, const std::vector<uint32_t>& touched) {
  std::vector<std::function<void()>> changes;
  for (const uint32_t id : touched) {
    const ConfigWords& words = program.units().at(id);
    Unit* unit = find(id);
    switch (RDU_UNIT_KIND(id)) {
      case RDU_UNIT_PCU: {
        const PcuConfig config = decode(id, [&] { return PcuConfig::decode(words, params_); });
        auto* pcu = static_cast<Pcu*>(unit);
        if (!pcu || !same_ports(config, pcu->config())) return false;
        changes.emplace_back([pcu, config] { pcu->configure(config); });
        break;
      }
      case RDU_UNIT_PMU: {
        const PmuConfig config = decode(id, [&] { return PmuConfig::decode(words, params_); });
        auto* pmu = static_cast<Pmu*>(unit);
        if (!pmu || !same_ports(config, pmu->config())) return false;
        changes.emplace_back([pmu, config] { pmu->configure(config); });
        break;
      }
      case RDU_UNIT_AGCU: {
        const AgcuConfig config = decode(id, [&] { return AgcuConfig::decode(words, id == kMaster); });
        auto* agcu = static_cast<Agcu*>(unit);
        if (!agcu || !same_ports(config, agcu->config())) return false;
        changes.emplace_back([agcu, config] { agcu->configure(config); });
        break;
      }
      default:
        return false;
    }
  }
  for (const auto& change : changes) change();
  return true;
}

void Graph::start(uint64_t cycle) {
  site_.context.work.clear();
  for (const auto& [id, unit] : units_) unit->start(cycle);
  for (const auto& [id, unit] : units_) unit->wake();
}

std::optional<uint64_t> Graph::run(uint64_t horizon) {
  site_.context.work.run(horizon, &site_.memory);
  return site_.context.work.again();
}

std::optional<uint64_t> Graph::end() const {
  uint64_t end = 0;
  for (const Agcu* agcu : agcus_) {
    const StoreGenerator* store = agcu->store();
    if (!store) continue;
    if (!store->finished()) return std::nullopt;
    end = std::max(end, store->last_acknowledged());
  }
  for (const Token& token : tokens_)
    end = std::max(end, token.agcu->store()->last_acknowledged() + token.latency);
  return end;
}

uint64_t Graph::last_activity() const {
  uint64_t last = 0;
  for (const auto& [id, unit] : units_) last = std::max(last, unit->counts().last);
  return last;
}

std::string Graph::blocked(uint32_t* first) const {
  constexpr size_t kMostNamed = 16;
  std::string text;
  size_t count = 0;
  *first = 0;
  for (const auto& [id, unit] : units_) {
    if (unit->finished()) continue;
    if (text.empty()) *first = id;
    if (++count > kMostNamed) continue;
    const std::string why = unit->waits_for();
    text += fmt::format("{}{} waits for {}", text.empty() ? "" : "; ", unit_name(id), why);
  }
  if (count > kMostNamed) text += fmt::format("; and {} more", count - kMostNamed);
  return text;
}

std::vector<std::pair<uint32_t, UnitCounts>> Graph::counts() const {
  std::map<uint32_t, UnitCounts> all;
  for (const auto& [id, unit] : units_) all.emplace(id, unit->counts());
  for (const Stream& stream : streams_) {
    for (const RouteStep& step : stream.steps) {
      UnitCounts& counts = all[step.unit];
      const uint64_t packets = stream.output->sent();
      counts.firings += packets;
      counts.vectors += packets * step.outputs;
      counts.busy = std::max(counts.busy, packets);
    }
  }
  return {all.begin(), all.end()};
}

}  // namespace rdu::fabric
