// Round trips of a register read over vfio-user, of any servers, by the same client and in turns: what the
// machine does meanwhile meets all of them alike.
//
//   bench_boundary READS SOCKET:REGION:OFFSET:BYTES...
//
// READS of each server in all, in blocks of 200. Prints one line of JSON: of each server, nanoseconds of the
// quartiles, and the median of its blocks' medians divided by the first server's block beside it.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

#include "user/vfio_user_client.h"

namespace {

constexpr size_t kBlock = 200;

struct Server {
  rdu::user::VfioUserClient client;
  uint32_t region;
  uint64_t offset;
  size_t bytes;
  std::vector<double> times = {};
  std::vector<double> ratios = {};
};

Server connect(const std::string& text) {
  std::vector<std::string> parts;
  size_t at = 0;
  for (size_t colon; (colon = text.find(':', at)) != std::string::npos; at = colon + 1)
    parts.push_back(text.substr(at, colon - at));
  parts.push_back(text.substr(at));
  if (parts.size() != 4) throw std::runtime_error("'" + text + "' is not SOCKET:REGION:OFFSET:BYTES");
  Server server{rdu::user::VfioUserClient(parts[0]), static_cast<uint32_t>(std::stoul(parts[1])),
                std::stoull(parts[2], nullptr, 0), std::stoul(parts[3])};
  if (server.bytes < 1 || server.bytes > 8) throw std::runtime_error("1 to 8 bytes are a register");
  if (server.region == rdu::user::kBar0) {
    const uint16_t memory_and_master = 6;  // a BAR answers when the PCI command register lets it
    server.client.region_write(rdu::user::kConfigSpace, 4, &memory_and_master, sizeof memory_and_master);
  }
  return server;
}

double at(std::vector<double>& values, double part) {
  const auto place = values.begin() + static_cast<std::ptrdiff_t>(static_cast<double>(values.size()) * part);
  std::nth_element(values.begin(), place, values.end());
  return *place;
}

/// The block's median.
double read_block(Server& server) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> block;
  uint8_t data[8];
  for (size_t i = 0; i < kBlock; ++i) {
    const auto begin = Clock::now();
    server.client.region_read(server.region, server.offset, data, server.bytes);
    block.push_back(std::chrono::duration<double, std::nano>(Clock::now() - begin).count());
  }
  server.times.insert(server.times.end(), block.begin(), block.end());
  return at(block, 0.5);
}

}  // namespace

int main(int argc, char** argv) {
  const size_t reads = argc > 2 ? std::strtoul(argv[1], nullptr, 10) : 0;
  if (reads < kBlock) {
    std::fprintf(stderr, "usage: bench_boundary READS SOCKET:REGION:OFFSET:BYTES...  (READS at least %zu)\n",
                 kBlock);
    return 2;
  }
  try {
    std::vector<Server> servers;
    for (int i = 2; i < argc; ++i) servers.push_back(connect(argv[i]));
    for (Server& server : servers) {
      read_block(server);  // warm
      server.times.clear();
    }
    for (size_t block = 0; block < reads / kBlock; ++block) {
      double first = 0;
      for (Server& server : servers) {
        const double median = read_block(server);
        if (&server == servers.data()) first = median;
        server.ratios.push_back(median / first);
      }
    }
    std::printf("[");
    for (Server& server : servers)
      std::printf("%s{\"reads\": %zu, \"p25_ns\": %.0f, \"p50_ns\": %.0f, \"p75_ns\": %.0f, \"ratio\": %.3f}",
                  &server == servers.data() ? "" : ", ", server.times.size(), at(server.times, 0.25),
                  at(server.times, 0.5), at(server.times, 0.75), at(server.ratios, 0.5));
    std::printf("]\n");
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bench_boundary: %s\n", e.what());
    return 1;
  }
  return 0;
}
