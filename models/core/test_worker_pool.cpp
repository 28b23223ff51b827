#include <memory>
#include <random>
#include <vector>

#include "core/worker_pool.h"
#include "test/catch.h"
#include "test/seed.h"

using rdu::core::Job;
using rdu::core::WorkerPool;

namespace {

class Square : public Job {
 public:
  uint64_t n = 0;
  uint64_t result = 0;

 private:
  void run() override { result = n * n; }
};

}  // namespace

TEST_CASE("jobs are done once, by whoever has time") {
  for (const unsigned helpers : {0u, 1u, 3u}) {
    WorkerPool pool(helpers);
    CHECK(pool.helpers() == helpers);
    std::vector<std::unique_ptr<Square>> jobs;
    std::mt19937 random(test_seed());
    for (uint64_t i = 0; i < 2000; ++i) {
      jobs.push_back(std::make_unique<Square>());
      jobs.back()->n = i;
      pool.submit(*jobs.back());
      if (random() % 7 == 0) {
        const size_t which = random() % jobs.size();
        pool.wait(*jobs[which]);
        CHECK(jobs[which]->result == which * which);
      }
    }
    for (uint64_t i = 0; i < jobs.size(); ++i) {
      pool.wait(*jobs[i]);
      REQUIRE(jobs[i]->done());
      REQUIRE(jobs[i]->result == i * i);
    }
    jobs[0]->n = 9;  // again
    pool.submit(*jobs[0]);
    pool.wait(*jobs[0]);
    CHECK(jobs[0]->result == 81);
  }
}

TEST_CASE("a pool ends with what was submitted") {
  Square job;
  job.n = 5;
  {
    WorkerPool pool(1);
    pool.submit(job);
  }
  CHECK(job.result == 25);
}
