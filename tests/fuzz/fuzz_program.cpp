// Compiled programs. The first byte chooses:
//   0  the container file, as the runtime reads it
//   1  a configuration stream, as it is
//   2  a configuration stream whose head (magic, version, shape, size, checksum) is right, then argument
//      tuples: what the tile's sequencer loads, and a while of its execution
#include <zlib.h>

#include <deque>
#include <map>

#include "compiler/container.h"
#include "core/transfer.h"
#include "fabric/agcu/memory.h"
#include "fabric/graph.h"
#include "input.h"

using namespace rdu;
using namespace rdu::fabric;

/// Wanted by the SystemC library, which does not run here.
int sc_main(int, char**) {
  return 0;
}

namespace {

FabricParams small_tile() {
  FabricParams p;
  p.rows = 2;
  p.columns = 3;
  p.pmu_bytes = 16 * 1024;
  p.outstanding = 8;
  return p;
}

/// Memory in which every access goes well, in the order of its issue.
class Port : public core::TransferPort {
 public:
  void post(core::Transfer& t) override { queue_.push_back(&t); }
  bool debug(uint64_t, uint8_t*, uint64_t, bool) override { return false; }

  bool answer() {
    if (queue_.empty()) return false;
    core::Transfer& t = *queue_.front();
    queue_.pop_front();
    if (!t.write && t.data) std::memset(t.data, static_cast<int>(t.address >> 3), t.length);
    t.done = t.issue + 100'000;
    t.status = core::TransferStatus::ok;
    t.client->completed(t);
    return true;
  }
  void clear() { queue_.clear(); }

 private:
  std::deque<core::Transfer*> queue_;
};

class Translator : public core::AddressTranslator {
 public:
  bool translate(unsigned, uint64_t address, uint64_t length, bool, uint64_t* physical) override {
    *physical = address;
    return address < 1u << 20 && length <= (1u << 20) - address;
  }
};

class Listener : public MemoryListener {
 public:
  bool faulted = false;
  void memory_fault(const Fault&) override { faulted = true; }
  void memory_answered() override {}
};

/// How far an execution is followed: enough for a unit to turn over all its counters once.
constexpr uint64_t kCycles = 4000;
constexpr unsigned kAnswers = 400;

void execute(Graph& graph, Port& port, const Listener& listener) {
  graph.start(1);
  for (unsigned answers = 0; answers < kAnswers && !listener.faulted; ++answers) {
    graph.run(kCycles);
    if (graph.end() || !port.answer()) break;
  }
  uint32_t unit = 0;
  graph.blocked(&unit);
  graph.counts();
}

void load(std::vector<uint8_t> stream, const std::vector<uint8_t>& tuples) {
  static const FabricParams params = small_tile();
  ProgramImage image(params);
  try {
    image.parse(stream);
  } catch (const LoadFault&) {
    return;
  }
  Port port;
  Translator translator;
  Listener listener;
  Context context(params);
  Memory memory(port, translator, params, listener);
  Scratchpads pads(params);
  const Graph::Site site{context, memory, pads, 0, "tile"};
  try {
    Graph graph(site, image);
    try {
      const auto touched = image.apply_arguments(tuples);
      if (!graph.reconfigure(image, touched)) {
        image.undo_arguments();
        FUZZ_CHECK(image.units().size() > 0 || tuples.empty(), "a program of no units took arguments");
      }
    } catch (const LoadFault&) {
    }
    execute(graph, port, listener);
    port.clear();
  } catch (const LoadFault&) {
  }
}

/// As the tile wants it; table and sub-files are the fuzzer's.
std::vector<uint8_t> with_head(const std::vector<uint8_t>& body, uint32_t units) {
  const FabricParams params = small_tile();
  rdu_program_header head{};
  head.magic = RDU_PROGRAM_MAGIC;
  head.version = RDU_PROGRAM_VERSION;
  head.channels = 1;
  head.rows = static_cast<uint16_t>(params.rows);
  head.cols = static_cast<uint16_t>(params.columns);
  head.size = static_cast<uint32_t>(sizeof head + body.size());
  head.crc = static_cast<uint32_t>(crc32(0, body.data(), static_cast<uInt>(body.size())));
  head.units = units;
  std::vector<uint8_t> stream(sizeof head);
  std::memcpy(stream.data(), &head, sizeof head);
  stream.insert(stream.end(), body.begin(), body.end());
  return stream;
}

/// Units of the fuzzer's choice, in order, with one chunk of words each.
void load_units(fuzz::Input& input) {
  std::map<uint32_t, std::pair<uint32_t, std::vector<uint8_t>>> units;
  for (unsigned wanted = input.byte(); wanted != 0 && !input.empty(); --wanted) {
    const uint8_t kind = input.byte(), place = input.byte(), chunk = input.byte();
    std::vector<uint8_t> words = input.bytes(RDU_CHUNK_BYTES);
    words.resize(RDU_CHUNK_BYTES);
    units[RDU_UNIT(kind & 7, place >> 4, place & 15)] = {1u << (chunk & 31), words};
  }
  std::vector<uint8_t> body;
  for (const auto& [id, file] : units) {
    const rdu_program_unit entry{id, file.first};
    const auto* bytes = reinterpret_cast<const uint8_t*>(&entry);
    body.insert(body.end(), bytes, bytes + sizeof entry);
  }
  body.resize(RDU_PROGRAM_BODY(units.size()) - sizeof(rdu_program_header));
  for (const auto& [id, file] : units) body.insert(body.end(), file.second.begin(), file.second.end());
  std::vector<uint8_t> tuples = input.rest();
  tuples.resize(tuples.size() / sizeof(rdu_argument_tuple) * sizeof(rdu_argument_tuple));
  load(with_head(body, static_cast<uint32_t>(units.size())), tuples);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  switch (input.byte() % 3) {
    case 0:
      try {
        const std::vector<uint8_t> file = input.rest();
        const auto program = compiler::Program::parse(file.data(), file.size(), "fuzz");
        const auto again = program.serialize();
        FUZZ_CHECK(compiler::Program::parse(again.data(), again.size(), "again").serialize() == again,
                   "a program that was written is read as another");
      } catch (const compiler::Error&) {
      }
      break;
    case 1:
      load(input.rest(), {});
      break;
    default:
      load_units(input);
  }
  return 0;
}
