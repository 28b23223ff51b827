#include "fabric/graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <set>

#include "fabric/agcu/agcu.h"
#include "fabric/agcu/clocked_agcu.h"
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

}  // namespace

Scratchpads::Scratchpads(const FabricParams& params) : columns_(params.columns) {
  pads_.reserve(params.rows * params.columns);
  for (uint64_t i = 0; i < params.rows * params.columns; ++i) pads_.emplace_back(params.pmu_bytes);
}

void Scratchpads::clear() {
  for (Scratchpad& pad : pads_) pad.clear();
}

uint64_t Scratchpads::corrected() const {
  uint64_t sum = 0;
  for (const Scratchpad& pad : pads_) sum += pad.corrected();
  return sum;
}

uint64_t Scratchpads::uncorrectable() const {
  uint64_t sum = 0;
  for (const Scratchpad& pad : pads_) sum += pad.uncorrectable();
  return sum;
}

void Scratchpads::clear_counts() {
  for (Scratchpad& pad : pads_) pad.clear_counts();
}

Graph::Graph(const Site& site, const ProgramImage& program)
    : site_(site), params_(site.context.params), fidelity_(params_) {
  make_units(program);
  connect(program);
  find_locksteps();
}

Graph::~Graph() {
  site_.context.work.clear();
}

void Graph::make_units(const ProgramImage& program) {
  for (const auto& [id, words] : program.units()) {
    const ConfigWords& w = words;
    const uint32_t unit = id;
    switch (RDU_UNIT_KIND(id)) {
      case RDU_UNIT_PCU: {
        const PcuConfig config = decode(unit, [&] { return PcuConfig::decode(w, params_); });
        if (!config.enabled()) break;
        uses_.emplace(unit, config.ports());
        add_pcu(unit, config, w);
        break;
      }
      case RDU_UNIT_PMU: {
        const PmuConfig config = decode(unit, [&] { return PmuConfig::decode(w, params_); });
        if (!config.enabled()) break;
        uses_.emplace(unit, config.ports());
        add_pmu(unit, config, w);
        break;
      }
      case RDU_UNIT_AGCU: {
        const AgcuConfig config = decode(unit, [&] { return AgcuConfig::decode(w, unit == kMaster); });
        if (!config.used()) break;
        uses_.emplace(unit, config.ports());
        add_agcu(unit, config, w);
        break;
      }
      default:
        break;
    }
  }
  if (std::none_of(agcus_.begin(), agcus_.end(),
                   [](const auto& agcu) { return agcu.second->config().store; })) {
    throw LoadFault(codes::CODE_BAD_CONFIG, 0, "no AGCU stores anything: the kernel would have no end");
  }
}

std::map<uint32_t, AgcuConfig> Graph::agcu_configs() const {
  std::map<uint32_t, AgcuConfig> configs;
  for (const auto& [id, agcu] : agcus_) configs.emplace(id, agcu->config());
  return configs;
}

void Graph::add_agcu(uint32_t id, const AgcuConfig& config, const ConfigWords& words) {
  const uint32_t initiator = site_.first_initiator + 2 * (2 * RDU_UNIT_ROW(id) + RDU_UNIT_COL(id));
  const std::string name = site_.name + "." + unit_name(id);
  const auto add = [&](auto made) {
    agcus_.emplace(id, made.get());
    units_.emplace(id, std::move(made));
  };
  if (fidelity_.of(id) == Fidelity::fast) {
    add(std::make_unique<Agcu>(site_.context, id, config, site_.memory, initiator, name));
  } else {
    add(std::make_unique<ClockedAgcu>(site_.context, id, config, words, site_.memory, initiator, name));
  }
}

void Graph::add_clocked(uint32_t id, Scratchpad* memory, const ConfigWords& words) {
  auto made = std::make_unique<ClockedUnit>(site_.context, id,
                                            make_pins(fidelity_.of(id), {site_.name, id, params_, memory}),
                                            words, params_.fifo_depth, params_.scalar_depth);
  watch(*made);
  clocked_.emplace(id, made.get());
  units_.emplace(id, std::move(made));
}

/// Waves that somebody has asked for.
void Graph::watch(ClockedUnit& unit) const {
  WavesWindow& window = waves_window();
  if (window.unit != unit.id()) return;
  const std::string tile = site_.name.substr(site_.name.rfind('.') + 1);
  if (window.tile.empty() || window.tile == tile) unit.record(window);
}

void Graph::add_pcu(uint32_t id, const PcuConfig& config, const ConfigWords& words) {
  if (fidelity_.of(id) == Fidelity::fast) {
    units_.emplace(id, std::make_unique<Pcu>(site_.context, id, config));
  } else {
    add_clocked(id, nullptr, words);
  }
}

void Graph::add_pmu(uint32_t id, const PmuConfig& config, const ConfigWords& words) {
  Scratchpad& memory = site_.pads.at(RDU_UNIT_ROW(id), RDU_UNIT_COL(id));
  if (fidelity_.of(id) == Fidelity::fast) {
    units_.emplace(id, std::make_unique<Pmu>(site_.context, id, config, memory));
  } else {
    add_clocked(id, &memory, words);
  }
}

Unit* Graph::find(uint32_t id) const {
  const auto found = units_.find(id);
  return found == units_.end() ? nullptr : found->second.get();
}

void Graph::connect(const ProgramImage& program) {
  std::set<uint32_t> on_pins;
  for (unsigned row = 0; row < params_.rows; ++row) {
    for (unsigned column = 0; column < params_.columns; ++column) {
      const uint32_t id = RDU_UNIT(RDU_UNIT_SWITCH, row, column);
      if (fidelity_.of(id) != Fidelity::fast) on_pins.insert(id);
    }
  }
  Routes routes;
  try {
    routes = find_routes(params_, program.units(), uses_, on_pins);
  } catch (const BadRoute& e) {
    throw LoadFault(codes::CODE_BAD_ROUTE, e.unit(), e.what());
  }
  order_.emplace(routes.links);
  MemoryOrder::check_atomics(agcu_configs());
  for (const uint32_t id : routes.clocked) {
    auto made = make_clocked_switch(site_.context, id, fidelity_.of(id), site_.name, program.units());
    watch(*made);
    units_.emplace(id, std::move(made));
  }
  legs_ = fabric::connect(routes, params_, units_);
}

void Graph::find_locksteps() {
  std::vector<SteadySource*> sources;
  std::vector<SteadySink*> sinks;
  for (const auto& [id, unit] : units_) {
    if (clocked_.count(id) != 0) continue;
    if (RDU_UNIT_KIND(id) == RDU_UNIT_PMU) {
      for (unsigned port = 0; port < PmuConfig::kPipelines; ++port)
        sources.push_back(&static_cast<Pmu&>(*unit).steady_source(port));
    } else if (RDU_UNIT_KIND(id) == RDU_UNIT_PCU) {
      if (SteadySink* sink = static_cast<Pcu&>(*unit).steady_sink()) sinks.push_back(sink);
    }
  }
  locksteps_ = Lockstep::find(sources, sinks, params_.max_burst);
}

bool Graph::reconfigure(const ProgramImage& program, const std::vector<uint32_t>& touched) {
  std::vector<std::function<void()>> changes;
  std::map<uint32_t, AgcuConfig> agcus = agcu_configs();
  for (const uint32_t id : touched) {
    const ConfigWords& words = program.units().at(id);
    Unit* unit = find(id);
    const auto found = clocked_.find(id);
    ClockedUnit* clocked = found == clocked_.end() ? nullptr : found->second;
    switch (RDU_UNIT_KIND(id)) {
      case RDU_UNIT_PCU: {
        const PcuConfig config = decode(id, [&] { return PcuConfig::decode(words, params_); });
        if (!unit || !(config.ports() == uses_.at(id))) return false;
        if (clocked) {
          changes.emplace_back([clocked, words] { clocked->configure(words); });
        } else {
          changes.emplace_back([unit, config] { static_cast<Pcu*>(unit)->configure(config); });
        }
        break;
      }
      case RDU_UNIT_PMU: {
        const PmuConfig config = decode(id, [&] { return PmuConfig::decode(words, params_); });
        if (!unit || !(config.ports() == uses_.at(id))) return false;
        if (clocked) {
          changes.emplace_back([clocked, words] { clocked->configure(words); });
        } else {
          changes.emplace_back([unit, config] { static_cast<Pmu*>(unit)->configure(config); });
        }
        break;
      }
      case RDU_UNIT_AGCU: {
        const AgcuConfig config = decode(id, [&] { return AgcuConfig::decode(words, id == kMaster); });
        if (!unit || !(config.ports() == uses_.at(id))) return false;
        agcus[id] = config;
        AgcuUnit* agcu = agcus_.at(id);
        changes.emplace_back([agcu, config, words] { agcu->configure(config, words); });
        break;
      }
      default:
        return false;
    }
  }
  MemoryOrder::check_atomics(agcus);
  races_.reset();
  for (const auto& change : changes) change();
  return true;
}

void Graph::start(uint64_t cycle) {
  site_.context.work.clear();
  for (const auto& [id, unit] : units_) unit->start(cycle);
  for (const auto& [id, unit] : units_) unit->wake();
  // Only now are addresses those that count: a program is loaded before its arguments.
  if (!races_) races_ = order_->find_races(agcu_configs());
  for (const MemoryOrder::Race& race : *races_) {
    const auto reaches_memory = [&](const MemoryOrder::Begin& begin) {
      return site_.memory.allows(begin.address, 1, begin.is_write);
    };
    if (!std::all_of(race.begins.begin(), race.begins.end(), reaches_memory)) continue;
    site_.context.fault({codes::CODE_BAD_CONFIG, race.unit, 0, cycle, race.text});
    break;
  }
  for (const auto& [id, unit] : clocked_) {
    if (RDU_UNIT_KIND(id) != RDU_UNIT_PMU || !site_.pads.at(RDU_UNIT_ROW(id), RDU_UNIT_COL(id)).has_errors())
      continue;
    site_.context.fault({codes::CODE_BAD_CONFIG, id, 0, cycle,
                         "errors injected into a scratchpad are modelled at fidelity fast only"});
  }
}

std::optional<uint64_t> Graph::run(uint64_t horizon) {
  site_.context.work.run(horizon, &site_.memory);
  return site_.context.work.again();
}

std::optional<uint64_t> Graph::end() const {
  uint64_t end = 0;
  for (const auto& [id, agcu] : agcus_) {
    const std::optional<uint64_t> of_one = agcu->end();
    if (!of_one) return std::nullopt;
    end = std::max(end, *of_one);
  }
  return end;
}

uint64_t Graph::last_activity() const {
  uint64_t last = 0;
  for (const auto& [id, unit] : units_) last = std::max(last, unit->counts().last);
  return last;
}

Standstill Graph::standstill() const {
  Standstill graph;
  std::map<const InputPort*, std::string> names;
  for (const auto& [id, use] : uses_) {
    Unit& unit = *units_.at(id);
    if (unit.finished()) graph.rests(id, "has done all it was configured to do");
    for (const PortUse::Input& i : use.inputs)
      names.emplace(&unit.packet_input(i.port, 0), fmt::format("input {}", i.port));
    for (const PortUse::Input& i : use.scalar_inputs)
      names.emplace(&unit.scalar_input(i.port, 0), fmt::format("scalar input {}", i.port));
  }
  const auto name_of = [&](const InputPort& input) {
    const auto found = names.find(&input);
    return found == names.end() ? std::string("an input") : found->second;
  };
  // A switch has done all when nothing is in it, and waits for more all the same.
  const auto wants_packets = [](const Unit& unit) {
    return RDU_UNIT_KIND(unit.id()) == RDU_UNIT_SWITCH || !unit.finished();
  };
  std::vector<const OutputPort*> outputs;
  for (const ConnectedLeg& leg : legs_) {
    if (leg.output && std::find(outputs.begin(), outputs.end(), leg.output) == outputs.end())
      outputs.push_back(leg.output);
  }
  const auto each_stream = [&](auto use) {
    for (const OutputPort* output : outputs) {
      for (size_t i = 0; i < output->consumer_count(); ++i) use(*output, i, output->consumer(i));
    }
  };
  each_stream([&](const OutputPort& output, size_t i, const InputPort& input) {
    const Unit& producer = output.owner();
    const Unit& consumer = input.owner();
    const uint64_t held = input.untaken();
    const uint64_t in_fifo = std::min(held, params_.fifo_depth);
    if (output.waits_for_credit(i)) {
      graph.waits(producer.id(), consumer.id(),
                  fmt::format("room in {} of {} (fifo {} of {} full{})", name_of(input),
                              unit_name(consumer.id()), in_fifo, params_.fifo_depth,
                              held > in_fifo ? fmt::format(", {} packets before it", held - in_fifo) : ""));
    } else if (held == 0 && wants_packets(consumer)) {
      graph.waits(consumer.id(), producer.id(),
                  fmt::format("packet {} of {} from {} (fifo 0 of {})", output.sent() + 1, name_of(input),
                              unit_name(producer.id()), params_.fifo_depth));
    }
  });
  for (const auto& [id, use] : uses_) {
    Unit& unit = *units_.at(id);
    const bool is_end = id == kMaster;  // it waits for done tokens whether it moves data or not
    if (!is_end &&
        (unit.finished() || (graph.waiting(id) && unit.waits_for().find("token") == std::string::npos)))
      continue;
    for (const PortUse::Input& i : use.token_inputs) {
      const TokenInput& input = unit.token_input(i.port);
      if (input.available() != 0 || !input.producer()) continue;
      graph.waits(
          id, input.producer()->id(),
          fmt::format("a token on token input {} from {}", i.port, unit_name(input.producer()->id())));
    }
  }
  // Who waits for more than one packet at a time has some, but not enough.
  each_stream([&](const OutputPort& output, size_t, const InputPort& input) {
    const Unit& consumer = input.owner();
    if (consumer.finished() || graph.waiting(consumer.id()) || input.untaken() >= params_.fifo_depth) return;
    graph.waits(consumer.id(), output.owner().id(),
                fmt::format("more than {} packets in {} from {}", input.untaken(), name_of(input),
                            unit_name(output.owner().id())));
  });
  return graph;
}

std::string Graph::blocked(uint32_t* first) const {
  constexpr size_t kMostNamed = 16;
  const Standstill::Explanation cause = standstill().explain();
  std::string text;
  size_t count = 0;
  *first = cause.unit;
  for (const auto& [id, unit] : units_) {
    if (unit->finished()) continue;
    if (*first == 0) *first = id;
    if (++count > kMostNamed) continue;
    const std::string why = unit->waits_for();
    text += fmt::format("{}{} waits for {}", text.empty() ? "" : "; ", unit_name(id), why);
  }
  if (count > kMostNamed) text += fmt::format("; and {} more", count - kMostNamed);
  return cause.text.empty() ? text : cause.text + ". All that wait: " + text;
}

std::vector<std::pair<uint32_t, UnitCounts>> Graph::counts() const {
  std::map<uint32_t, UnitCounts> all;
  for (const auto& [id, unit] : units_) all.emplace(id, unit->counts());
  for (const ConnectedLeg& leg : legs_) {
    for (const Leg::Step& step : leg.steps) {
      UnitCounts& counts = all[step.unit];
      if (!leg.output) continue;
      const uint64_t packets = leg.output->sent();
      counts.firings += packets * step.outputs;
      counts.vectors += packets * step.outputs;
      counts.busy = std::max(counts.busy, packets);
    }
  }
  return {all.begin(), all.end()};
}

}  // namespace rdu::fabric
