/* Ordinary program logic, of the kind that Dhrystone stands for: a shop that takes orders. Records that point
 * at each other, names that are compared and copied, small functions that are called, an enumeration that is
 * switched on, a division here and there. */
#include <stddef.h>

#include "workload.h"

enum { kArticles = 48, kBuckets = 16, kName = 24, kOrders = 2600 };

enum Kind { kOrder, kReturn, kDelivery, kInquiry, kDiscount };

struct Article {
  struct Article* next; /* in its bucket */
  char name[kName];
  int32_t stock;
  int32_t price;
  uint32_t asked;
};

struct Request {
  enum Kind kind;
  int32_t count;
  char name[kName];
};

static struct Article articles[kArticles];
static struct Article* buckets[kBuckets];
static int64_t turnover, moved;
static uint32_t refused, asked;

#define CALLED __attribute__((noinline))

CALLED static int compare(const char* a, const char* b) {
  while (*a != 0 && *a == *b) {
    ++a;
    ++b;
  }
  return (unsigned char)*a - (unsigned char)*b;
}

CALLED static void copy(char* to, const char* from) {
  while ((*to++ = *from++) != 0) {
  }
}

CALLED static uint32_t hash(const char* name) {
  uint32_t value = 5381;
  for (; *name != 0; ++name) value = value * 33 + (unsigned char)*name;
  return value % kBuckets;
}

/* "article number 07" */
CALLED static void make_name(char* to, uint32_t number) {
  copy(to, "article number ");
  to[15] = (char)('0' + number / 10);
  to[16] = (char)('0' + number % 10);
  to[17] = 0;
}

CALLED static struct Article* find(const char* name) {
  for (struct Article* article = buckets[hash(name)]; article != NULL; article = article->next) {
    if (compare(article->name, name) == 0) return article;
  }
  return NULL;
}

CALLED static void open_shop(void) {
  turnover = moved = 0;
  refused = asked = 0;
  for (uint32_t i = 0; i < kBuckets; ++i) buckets[i] = NULL;
  for (uint32_t i = 0; i < kArticles; ++i) {
    struct Article* article = &articles[i];
    make_name(article->name, i);
    article->stock = 100;
    article->price = (int32_t)(10 + 7 * i);
    article->asked = 0;
    struct Article** bucket = &buckets[hash(article->name)];
    article->next = *bucket;
    *bucket = article;
  }
}

CALLED static int take(struct Article* article, int32_t count) {
  if (article->stock < count) return 0;
  article->stock -= count;
  moved -= count;
  return 1;
}

CALLED static void serve(const struct Request* request) {
  struct Article* article = find(request->name);
  if (article == NULL) {
    ++refused;
    return;
  }
  ++article->asked;
  switch (request->kind) {
    case kOrder:
      if (take(article, request->count)) {
        turnover += (int64_t)request->count * article->price;
      } else {
        ++refused;
      }
      break;
    case kReturn:
      article->stock += request->count;
      moved += request->count;
      turnover -= (int64_t)request->count * article->price * 9 / 10;
      break;
    case kDelivery:
      article->stock += 4 * request->count;
      moved += 4 * request->count;
      break;
    case kInquiry:
      ++asked;
      break;
    case kDiscount:
      if (article->price > 20) article->price -= article->price / 16;
      break;
  }
}

/* What went in and out must agree with what lies on the shelves. */
CALLED static int books_agree(void) {
  int64_t stock = 0;
  uint32_t requests = 0, known = 0;
  for (uint32_t i = 0; i < kArticles; ++i) {
    stock += articles[i].stock;
    requests += articles[i].asked;
    known += find(articles[i].name) == &articles[i];
  }
  return stock == kArticles * 100 + moved && known == kArticles && requests + refused >= kOrders &&
         asked != 0 && turnover > 0;
}

int workload(uint32_t rounds) {
  for (uint32_t round = 0; round < rounds; ++round) {
    uint32_t seed = round;
    open_shop();
    for (uint32_t i = 0; i < kOrders; ++i) {
      seed = seed * 1664525u + 1013904223u;
      struct Request request;
      request.kind = (seed >> 8) % 8 < 4 ? kOrder : (enum Kind)((seed >> 8) % 8 - 3);
      request.count = (int32_t)(1 + (seed >> 16) % 5);
      make_name(request.name, (seed >> 24) % (kArticles + 2));
      serve(&request);
    }
    if (!books_agree()) return 1;
  }
  return 0;
}
