#include "platform/control/control.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "platform/control/arguments.h"
#include "platform/report.h"
#include "platform/simulation.h"
#include "platform/socket.h"

namespace rdu::platform::control {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kPatience = 10;  // seconds that a client waits for an event if it names no time

std::vector<mgmt::Management::Block> all_blocks(Socket& socket) {
  std::vector<mgmt::Management::Block> blocks = socket.management().blocks();
  blocks.push_back({"HOSTIF", 0, &socket.endpoint().host_interface().host()});
  return blocks;
}

Json describe(const EventLog::Event& event) {
  Json j = {{"number", event.number},
            {"ps", event.time},
            {"time", core::format_time(event.time)},
            {"event", event.kind}};
  j.update(event.details);
  return j;
}

template <class Map>
std::vector<std::string> names_of(const Map& map) {
  std::vector<std::string> names;
  for (const auto& [name, value] : map) names.push_back(name);
  return names;
}

}  // namespace

Control::Control(const std::string& path, Socket& socket, Simulation& simulation, const Report& report,
                 EventLog& events, std::function<void()> wake)
    : socket_(socket),
      simulation_(simulation),
      report_(report),
      events_(events),
      registers_(all_blocks(socket)),
      server_(path, std::move(wake)) {
  add_commands();
  add_register_commands();
  add_event_commands();
  add_injections();
  socket_.on_firmware_restart([this] { events_.add("restart", Json::object()); });
}

// --- commands ---

void Control::add_commands() {
  commands_["help"] = {"", [this](Arguments&) { return help(); }};
  const auto time = [this]() -> Json {
    return {{"ps", core::now()}, {"time", core::format_time(core::now())}, {"paused", is_paused_}};
  };
  commands_["time"] = {"", [time](Arguments&) { return time(); }};
  commands_["pause"] = {"", [this, time](Arguments&) {
                          is_paused_ = true;
                          simulation_.pause();
                          return time();
                        }};
  commands_["resume"] = {"", [this, time](Arguments&) {
                           is_paused_ = false;
                           simulation_.resume();
                           return time();
                         }};
  commands_["statistics"] = {"", [this](Arguments&) { return report_.describe(socket_); }};
  commands_["stop"] = {"", [this](Arguments&) -> Json {
                         simulation_.stop();
                         return Json::object();
                       }};
}

void Control::add_register_commands() {
  commands_["registers"] = {"[block]", [this](Arguments& a) -> Json {
                              Json list = Json::array();
                              if (!a.has("block")) {
                                for (const auto& block : registers_.blocks()) list.push_back(block.name);
                                return {{"blocks", list}};
                              }
                              const auto& block = registers_.block(a.text("block"));
                              for (core::Register* reg : block.registers->registers()) {
                                Json fields = Json::array();
                                for (size_t i = 0; i < reg->desc().field_count; ++i)
                                  fields.push_back(reg->desc().fields[i].name);
                                list.push_back({{"name", reg->name()},
                                                {"address", block.base + reg->offset()},
                                                {"bits", reg->desc().width},
                                                {"fields", fields}});
                              }
                              return {{"registers", list}};
                            }};
  commands_["read"] = {"register [effects]", [this](Arguments& a) {
                         const Place place = registers_.find(a.text("register"));
                         const bool effects = a.flag("effects");
                         a.finish();
                         return describe(place, effects ? Registers::read(place) : Registers::peek(place));
                       }};
  commands_["write"] = {"register value [force]", [this](Arguments& a) {
                          const Place place = registers_.find(a.text("register"));
                          const uint64_t value = a.number("value");
                          const bool force = a.flag("force");
                          a.finish();
                          force ? Registers::force(place, value) : Registers::write(place, value);
                          return describe(place, Registers::peek(place));
                        }};
}

Json Control::describe(const Place& place, uint64_t value) const {
  Json j = {{"value", value}};
  if (place.field) return j;
  Json fields = Json::object();
  for (size_t i = 0; i < place.reg->desc().field_count; ++i) {
    const core::FieldDesc& f = place.reg->desc().fields[i];
    fields[f.name] = core::Field{f.lsb, f.width}.get(value);
  }
  j["fields"] = fields;
  return j;
}

// --- events ---

void Control::add_event_commands() {
  commands_["events"] = {"[event] [vector|register] [after]", [this](Arguments& a) -> Json {
                           uint64_t after = a.number("after", 0);
                           const auto fits = filter(a);
                           a.finish();
                           Json list = Json::array();
                           while (const auto* event = events_.find(after, fits)) {
                             list.push_back(control::describe(*event));
                             after = event->number;
                           }
                           return {{"last", events_.last()}, {"events", list}};
                         }};
  commands_["watch"] = {
      "register [off]", [this](Arguments& a) -> Json {
        const Place place = registers_.find(a.text("register"));
        const bool off = a.flag("off");
        a.finish();
        if (place.field) throw Refusal("a register is watched as a whole");
        const std::string block = place.block->name;
        const std::string name = block + "." + place.reg->name();
        watched_registers_[name] = !off;
        if (watched_.count(block) == 0) {
          watched_[block] =
              place.block->registers->observe([this, block](const core::RegisterFile::Access& access) {
                const std::string full = block + "." + access.reg.name();
                const auto it = watched_registers_.find(full);
                if (it == watched_registers_.end() || !it->second) return;
                events_.add("access", {{"register", full}, {"write", access.write}, {"value", access.value}});
              });
        }
        return Json::object();
      }};
  // Its answer comes later: see answer().
  commands_["wait"] = {"[event] [vector|register] [after] [timeout]", {}};
}

std::function<bool(const EventLog::Event&)> Control::filter(Arguments& a) {
  std::string kind;
  Json wanted = Json::object();
  if (a.has("event")) kind = a.text("event", {"interrupt", "reset", "host", "access", "restart"});
  if (a.has("vector")) wanted["vector"] = a.number("vector");
  if (a.has("register")) {
    const Place place = registers_.find(a.text("register"));
    wanted["register"] = place.block->name + "." + place.reg->name();
  }
  return [kind, wanted](const EventLog::Event& event) {
    if (!kind.empty() && event.kind != kind) return false;
    for (const auto& [name, value] : wanted.items())
      if (!event.details.contains(name) || event.details.at(name) != value) return false;
    return true;
  };
}

void Control::begin_wait(uint64_t client, const Json& id, Arguments& a) {
  const std::string text = a.has("event") ? a.any("event").dump() + " " : "";
  auto fits = filter(a);
  const uint64_t after = a.number("after", events_.last());
  const std::chrono::duration<double> patience(a.seconds("timeout", kPatience));
  a.finish();
  const auto until = Clock::now() + std::chrono::duration_cast<Clock::duration>(patience);
  waits_.push_back({client, id, after, std::move(fits), text, until});
}

void Control::serve_waits() {
  const auto is_over = [this](const Wait& wait) {
    if (const auto* event = events_.find(wait.after, wait.fits)) {
      reply(wait.client, wait.id, control::describe(*event));
      return true;
    }
    if (Clock::now() < wait.until) return false;
    reply(wait.client, wait.id, {{"error", fmt::format("timeout: no event {}came", wait.text)}});
    return true;
  };
  waits_.erase(std::remove_if(waits_.begin(), waits_.end(), is_over), waits_.end());
}

// --- injections ---

void Control::add_injections() {
  const auto inject = [this](const char* what, const char* usage, std::function<void(Arguments&)> act) {
    injections_[what] = {usage, [act](Arguments& a) -> Json {
                           act(a);
                           return Json::object();
                         }};
  };
  inject("ecc", "memory offset [kind]", [this](Arguments& a) {
    const std::string memory = a.text("memory", {"HBM", "DDR"});
    const uint64_t offset = a.number("offset");
    const bool correctable =
        !a.has("kind") || a.text("kind", {"correctable", "uncorrectable"}) == "correctable";
    a.finish();
    auto& controller = memory == "HBM" ? socket_.hbm() : socket_.ddr();
    if (offset >= controller.params().capacity) throw Refusal(memory + " is smaller than that");
    controller.spoil(offset, correctable);
  });
  inject("sram-ecc", "row column offset [kind] [tile]", [this](Arguments& a) {
    const uint64_t row = a.number("row");
    const uint64_t column = a.number("column");
    const uint64_t offset = a.number("offset");
    const uint64_t tile = a.number("tile", 0);
    const bool correctable =
        !a.has("kind") || a.text("kind", {"correctable", "uncorrectable"}) == "correctable";
    a.finish();
    if (tile >= socket_.tiles()) throw Refusal(fmt::format("there are {} of them", socket_.tiles()));
    if (!socket_.tile(static_cast<unsigned>(tile)).spoil(row, column, offset, correctable ? 1 : 3)) {
      throw Refusal(fmt::format("pmu[{}][{}] has no word at byte {}", row, column, offset));
    }
  });
  inject("drop-interrupt", "vector", [this](Arguments& a) {
    const uint64_t vector = a.number("vector");
    a.finish();
    if (vector >= pcie::Msix::kVectors)
      throw Refusal(fmt::format("vectors are 0 to {}", pcie::Msix::kVectors - 1));
    socket_.endpoint().drop_next_interrupt(static_cast<unsigned>(vector));
  });
  inject("poison-dma", "", [this](Arguments& a) {
    a.finish();
    socket_.endpoint().poison_next_dma();
  });
  inject("link-error", "[silent]", [this](Arguments& a) {
    const bool silent = a.flag("silent");
    a.finish();
    socket_.endpoint().fail_link(silent);
  });
  inject("stop-engine", "engine [index]", [this](Arguments& a) {
    const bool is_tile = a.text("engine", {"copy", "tile"}) == "tile";
    const uint64_t index = a.number("index", 0);
    a.finish();
    const unsigned count = is_tile ? socket_.tiles() : memory::CopyEngine::kChannels;
    if (index >= count) throw Refusal(fmt::format("there are {} of them", count));
    if (is_tile) {
      socket_.tile(static_cast<unsigned>(index)).jam();
    } else {
      socket_.copy_engine().jam(static_cast<unsigned>(index));
    }
  });
  inject("hang-firmware", "", [this](Arguments& a) {
    a.finish();
    socket_.management().hang();
  });
  commands_["inject"] = {"what ...", [this](Arguments& a) {
                           const auto it = injections_.find(a.text("what", names_of(injections_)));
                           return it->second.execute(a);
                         }};
}

// --- requests and replies ---

void Control::serve() {
  for (const LineServer::Line& line : server_.take()) answer(line);
  if (!waits_.empty()) serve_waits();
}

void Control::answer(const LineServer::Line& line) {
  Json id;
  try {
    Json request = Json::parse(line.text, nullptr, false);
    if (request.is_discarded()) throw Refusal("this is no JSON: " + line.text.substr(0, 200));
    Arguments arguments(std::move(request));
    id = arguments.any("id");
    const std::string name = arguments.text("command", names_of(commands_));
    if (name == "wait") {
      begin_wait(line.client, id, arguments);
      return;
    }
    Json content = commands_.at(name).execute(arguments);
    arguments.finish();
    reply(line.client, id, std::move(content));
  } catch (const Refusal& refusal) {
    reply(line.client, id, {{"error", refusal.what()}});
  } catch (const core::Error& error) {
    reply(line.client, id, {{"error", error.what()}});
  }
}

void Control::reply(uint64_t client, const Json& id, Json content) {
  if (!id.is_null()) content["id"] = id;
  server_.send(client, content.dump(-1, ' ', false, Json::error_handler_t::replace));
}

Json Control::help() const {
  Json commands = Json::object(), injections = Json::object();
  for (const auto& [name, command] : commands_) commands[name] = command.usage;
  for (const auto& [name, injection] : injections_) injections[name] = injection.usage;
  return {{"commands", commands}, {"inject", injections}};
}

}  // namespace rdu::platform::control
