#include <fmt/format.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "core/error.h"
#include "core/systemc.h"
#include "cosim/dut.h"
#include "cosim/dut_library.h"
#include "cosim/generator.h"
#include "cosim/player.h"
#include "cosim/shrink.h"
#include "cosim/stimulus.h"
#include "cosim/waves.h"
#include "fabric/fidelity.h"
#include "fabric/stream/unit.h"
#include "units/units.h"

using namespace rdu;
using namespace rdu::cosim;

namespace {

constexpr int kSame = 0;
constexpr int kDiffers = 1;
constexpr int kBadInput = 2;

/// "default", "none" or a library. What it was built for goes to `params`, if they are asked for.
DutMaker maker_of(const std::string& rtl, uint32_t unit, fabric::FabricParams* params = nullptr) {
  if (rtl == "none") return {};
  if (rtl == "default") return make_rtl;
  const DutLibrary library(rtl);
  if (library.kind != RDU_UNIT_KIND(unit))
    core::bad_input(
        fmt::format("--rtl {}: it is another kind of unit than {}", rtl, fabric::unit_name(unit)));
  fabric::rtl_units().kinds[library.kind] = library.verilog;
  if (params) *params = library.params;
  return make_rtl;
}

/// On the model and, if there is a maker, on what it makes.
Played play_on(const Stimulus& stimulus, const DutMaker& maker, const PlayOptions& options = {}) {
  Dut model = make_model(stimulus.unit, stimulus.params);
  if (!maker) return play(stimulus, model, {}, options);
  Dut dut = maker(stimulus.unit, stimulus.params);
  return play(stimulus, model, {&dut}, options);
}

std::string sizes(const Stimulus& stimulus) {
  size_t packets = 0, words = 0, tokens = 0;
  for (const auto& list : stimulus.packets) packets += list.size();
  for (const auto& list : stimulus.scalars) words += list.size();
  for (const auto& list : stimulus.tokens) tokens += list.size();
  return fmt::format("{} cycles; in: {} packets, {} words, {} tokens", stimulus.cycles, packets, words,
                     tokens);
}

std::string sizes(const Log& log) {
  return fmt::format("{} packets, {} words, {} tokens", log.packets.size(), log.words.size(),
                     log.tokens.size());
}

// ---- replay ----

struct Replay {
  std::string file;
  std::string rtl = "default";
  std::string fst;
  std::string vcd;
  uint64_t from = 0;
  uint64_t to = ~uint64_t{0};
  std::string minimized;
  uint64_t tries = ShrinkOptions{}.most_tries;
};

/// A file that is gone at the end.
struct Temporary {
  std::string name =
      (std::filesystem::temp_directory_path() / fmt::format("rdu-cosim-{}.fst", getpid())).string();
  ~Temporary() { std::remove(name.c_str()); }
};

void minimize(const Stimulus& stimulus, const DutMaker& maker, const Divergence& divergence,
              const Replay& o) {
  const auto fails = [&](const Stimulus& candidate) {
    try {
      const Played played = play_on(candidate, maker);
      return played.divergence && played.divergence->kind == divergence.kind &&
             played.divergence->stream.kind == divergence.stream.kind;
    } catch (const core::Error& e) {
      if (e.kind() == core::ErrorKind::internal) return false;  // the model stumbles over something else
      throw;
    }
  };
  ShrinkOptions options;
  options.most_tries = o.tries;
  Shrunk shrunk = shrink(stimulus, fails, options);
  shrunk.stimulus.origin =
      fmt::format("smaller than {}", o.file) + (stimulus.origin.empty() ? "" : "; " + stimulus.origin);
  shrunk.stimulus.write(o.minimized);
  fmt::print("minimised after {} tries{}: {}\n", shrunk.tries,
             shrunk.is_smallest ? "" : " (--tries allows no more)", sizes(shrunk.stimulus));
  fmt::print("  written to {}\n", o.minimized);
  if (const auto again = play_on(shrunk.stimulus, maker).divergence) fmt::print("  {}\n", again->text());
}

int replay(const Replay& o) {
  const Stimulus stimulus = Stimulus::read(o.file);
  const DutMaker maker = maker_of(o.rtl, stimulus.unit);
  if (!maker && !o.fst.empty() + !o.vcd.empty() != 0)
    core::bad_input("--fst, --vcd: a model has no waves; --rtl none has nothing else");
  if (!maker && !o.minimized.empty()) core::bad_input("--minimize: with --rtl none nothing can differ");
  const Temporary temporary;
  PlayOptions options;
  options.keep_log = true;
  options.waves = !o.fst.empty() ? o.fst : !o.vcd.empty() ? temporary.name : "";
  options.waves_from = o.from;
  options.waves_to = o.to;
  // Waves are wanted of what comes after the first difference, too.
  options.stop_at_divergence = options.waves.empty();
  fmt::print("{}: {}\n", stimulus.name(), sizes(stimulus));
  if (!stimulus.origin.empty()) fmt::print("  {}\n", stimulus.origin);
  const Played played = play_on(stimulus, maker, options);
  if (!options.waves.empty()) {
    if (!std::filesystem::exists(options.waves))
      core::bad_input(
          fmt::format("no waves: no clock in cycles {} to {}; it ran to {}", o.from, o.to, played.end));
    if (!o.vcd.empty()) fst_to_vcd(options.waves, o.vcd);
    for (const std::string& file : {o.fst, o.vcd}) {
      if (!file.empty())
        fmt::print("waves: {}; cycle n is in steps 2n (outputs) and 2n + 1 (inputs) of its time\n", file);
    }
  }
  if (!played.divergence) {
    fmt::print("{} up to cycle {}{}; out: {}\n", maker ? "model and RTL are the same" : "model", played.end,
               played.done ? ", all done" : "", sizes(played.log));
    if (!o.minimized.empty()) fmt::print("nothing to minimise\n");
    return kSame;
  }
  fmt::print("differs: {}\n", played.divergence->text());
  std::fflush(stdout);
  if (!o.minimized.empty()) minimize(stimulus, maker, *played.divergence, o);
  return kDiffers;
}

// ---- show ----

void show_configuration(const Stimulus& stimulus) {
  const std::vector<WordInfo>& words = words_of(stimulus.kind());
  for (size_t i = 0; i < words.size(); ++i) {
    const uint32_t value = stimulus.words.at(4 * i);
    if (value == words[i].reset) continue;
    std::string fields;
    for (const WordInfo::NamedField& field : words[i].fields) {
      if (field.name.empty() || field.place.get(value) == field.place.get(words[i].reset)) continue;
      fields += fmt::format("{}{} {}", fields.empty() ? "" : ", ", field.name, field.place.get(value));
    }
    fmt::print("  {:<24} 0x{:08x}  {}\n", words[i].name, value, fields);
  }
}

int show(const std::string& file, bool outputs) {
  const Stimulus stimulus = Stimulus::read(file);
  fmt::print("{}: {}\n", stimulus.name(), sizes(stimulus));
  if (!stimulus.origin.empty()) fmt::print("  {}\n", stimulus.origin);
  fmt::print("configuration, where it is not at reset:\n");
  show_configuration(stimulus);
  if (!stimulus.scratchpad.empty())
    fmt::print("scratchpad: {} words that are not zero\n", stimulus.scratchpad.size());
  const auto list = [](const char* what, const auto& ports, auto first, auto last) {
    for (size_t port = 0; port < ports.size(); ++port) {
      if (ports[port].empty()) continue;
      fmt::print("{} {}: {}, cycles {} to {}\n", what, port, ports[port].size(), first(ports[port]),
                 last(ports[port]));
    }
  };
  const auto first = [](const auto& items) { return items.front().cycle; };
  const auto last = [](const auto& items) { return items.back().cycle; };
  list("input", stimulus.packets, first, last);
  list("scalar input", stimulus.scalars, first, last);
  list(
      "token input", stimulus.tokens, [](const auto& t) { return t.front(); },
      [](const auto& t) { return t.back(); });
  const auto credits = [](const char* what, const auto& all, unsigned flows) {
    for (size_t i = 0; i < all.size(); ++i) {
      if (all[i].at_start == 0 && all[i].back.empty()) continue;
      fmt::print("{} {}{}: {} credits at the start", what, i / flows,
                 flows == 1 ? "" : fmt::format(", flow {}", i % flows), all[i].at_start);
      if (!all[i].back.empty())
        fmt::print("; {} come back at cycles {} to {}", all[i].back.size(), all[i].back.front(),
                   all[i].back.back());
      fmt::print("\n");
    }
  };
  credits("output", stimulus.credits, stimulus.pins().flows);
  credits("scalar output", stimulus.scalar_credits, stimulus.pins().scalar_flows);
  if (!outputs) return kSame;
  PlayOptions options;
  options.keep_log = true;
  const Played played = play_on(stimulus, {}, options);
  fmt::print("the model's outputs, up to cycle {}:\n", played.end);
  for (const Log::Packet& packet : played.log.packets) {
    std::string data;
    for (size_t i = 0; i < packet.data.size(); i += 4)
      data += fmt::format(" {:02x}{:02x}{:02x}{:02x}", packet.data[i + 3], packet.data[i + 2],
                          packet.data[i + 1], packet.data[i]);
    fmt::print("  cycle {:>6} output {} head {:010x}:{}\n", packet.cycle, packet.port, packet.head, data);
  }
  for (const Log::Word& word : played.log.words)
    fmt::print("  cycle {:>6} scalar output {}: {:08x}\n", word.cycle, word.port, word.value);
  for (const Log::Token& token : played.log.tokens)
    fmt::print("  cycle {:>6} token output {}\n", token.cycle, token.port);
  return kSame;
}

// ---- random ----

struct Random {
  std::string unit;
  std::string rtl = "default";
  uint64_t seed = 1;
  uint64_t count = 100;
  std::string keep = ".";
  uint64_t tries = ShrinkOptions{}.most_tries;
};

int random(const Random& o) {
  const unsigned kind = o.unit == "pcu" ? RDU_UNIT_PCU : o.unit == "pmu" ? RDU_UNIT_PMU : RDU_UNIT_SWITCH;
  const uint32_t unit = RDU_UNIT(kind, 1, 2);
  fabric::FabricParams params;
  const DutMaker maker = maker_of(o.rtl, unit, &params);
  if (!maker) core::bad_input("--rtl none: nothing can differ");
  if (!std::filesystem::is_directory(o.keep))
    core::bad_input(fmt::format("--keep: there is no folder '{}'", o.keep));
  uint64_t cycles = 0, items = 0;
  for (uint64_t seed = o.seed; seed < o.seed + o.count; ++seed) {
    const Stimulus stimulus = generate(unit, seed, params);
    const Played played = play_on(stimulus, maker);
    cycles += played.cycles;
    items += stimulus.size();
    if (!played.divergence) continue;
    fmt::print("differs with seed {}: {}\n", seed, played.divergence->text());
    Replay made;
    made.file = (std::filesystem::path(o.keep) / fmt::format("{}-{}.stim", o.unit, seed)).string();
    made.minimized = (std::filesystem::path(o.keep) / fmt::format("{}-{}-small.stim", o.unit, seed)).string();
    made.tries = o.tries;
    stimulus.write(made.file);
    fmt::print("  written to {}\n", made.file);
    std::fflush(stdout);
    minimize(stimulus, maker, *played.divergence, made);
    return kDiffers;
  }
  fmt::print("model and RTL are the same: {} {}, seeds {} to {}, {} packets, words and tokens, {} cycles\n",
             o.count, o.unit + (kind == RDU_UNIT_SWITCH ? "es" : "s"), o.seed, o.seed + o.count - 1, items,
             cycles);
  return kSame;
}

}  // namespace

int sc_main(int argc, char* argv[]) {
  CLI::App app{
      "Plays a unit (PCU, PMU, switch) of RDU-VP alone: on its cycle model, which is the reference, and on "
      "its RTL.",
      "rdu-cosim"};
  app.require_subcommand(1);
  app.footer(
      "Exit status: 0 the same, 1 RTL and model differ, 2 bad input.\n"
      "Stimulus files come from rduvp (socket.tile.shadow=true) or from an editor: rtl/cosim/README.md.");

  Replay o;
  CLI::App* replay_command =
      app.add_subcommand("replay", "Play a stimulus on model and RTL, and name the first difference");
  replay_command->add_option("FILE", o.file, "Stimulus")->required();
  replay_command
      ->add_option(
          "--rtl", o.rtl,
          "default: the Verilog that was built in; none: the model alone; or a library of\nrdu_cosim_dut()")
      ->type_name("default|none|LIB.so");
  replay_command->add_option("--fst", o.fst, "Write the RTL's waves")->type_name("FILE");
  replay_command->add_option("--vcd", o.vcd, "Write them as VCD")->type_name("FILE");
  replay_command->add_option("--from", o.from, "First cycle of the waves (default: 0)")->type_name("CYCLE");
  replay_command->add_option("--to", o.to, "Last cycle of the waves (default: the last)")->type_name("CYCLE");
  replay_command
      ->add_option("--minimize", o.minimized,
                   "Look for a smaller stimulus with a difference of the same kind; write it here")
      ->type_name("FILE");
  replay_command->add_option("--tries", o.tries, "How often to play it for that (default: 3000)")
      ->type_name("N");

  std::string shown;
  bool outputs = false;
  CLI::App* show_command = app.add_subcommand("show", "Print what a stimulus holds");
  show_command->add_option("FILE", shown, "Stimulus")->required();
  show_command->add_flag("--outputs", outputs, "Play it on the model, and print what leaves and when");

  std::string fst, vcd;
  CLI::App* vcd_command = app.add_subcommand("vcd", "Write waves (FST) as VCD");
  vcd_command->add_option("FST", fst, "Waves")->required();
  vcd_command->add_option("VCD", vcd, "Where they go")->required();

  Random r;
  CLI::App* random_command = app.add_subcommand(
      "random", "Play random units on model and RTL; minimise and write the first that differs");
  random_command->add_option("UNIT", r.unit, "pcu, pmu or switch")
      ->required()
      ->check(CLI::IsMember({"pcu", "pmu", "switch"}));
  random_command->add_option("--seed", r.seed, "The first seed (default: 1)")->type_name("N");
  random_command->add_option("--count", r.count, "How many (default: 100)")
      ->type_name("K")
      ->check(CLI::PositiveNumber);
  random_command->add_option("--rtl", r.rtl, "As of replay")->type_name("default|LIB.so");
  random_command->add_option("--keep", r.keep, "Folder for stimulus files (default: .)")->type_name("DIR");
  random_command->add_option("--tries", r.tries, "How often to play it to make it smaller (default: 3000)")
      ->type_name("N");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : kBadInput;
  }
  try {
    rtl::offer_units();
    if (random_command->parsed()) return random(r);
    if (vcd_command->parsed()) {
      fst_to_vcd(fst, vcd);
      return kSame;
    }
    return replay_command->parsed() ? replay(o) : show(shown, outputs);
  } catch (const core::Error& e) {
    fmt::print(stderr, "rdu-cosim: {}\n", e.what());
    return core::exit_status(e.kind());
  }
}

/// SystemC's own main() would print its banner before ours is asked.
int main(int argc, char* argv[]) {
  setenv("SYSTEMC_DISABLE_COPYRIGHT_MESSAGE", "1", 0);
  return sc_core::sc_elab_and_sim(argc, argv);
}
