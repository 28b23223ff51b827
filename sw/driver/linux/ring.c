// SPDX-License-Identifier: GPL-2.0
/* A queue pair in host memory, as in NVMe: doorbells, and a phase bit that flips with each pass. */

#include <linux/dma-mapping.h>

#include "rdu.h"

static size_t rdu_ring_bytes(u32 entries, size_t entry)
{
	return PAGE_ALIGN(entries * entry);
}

int rdu_ring_alloc(struct rdu_ring *ring, struct rdu_device *rdu, u32 id, u32 entries)
{
	struct device *dev = &rdu->pdev->dev;

	ring->rdu = rdu;
	ring->id = id;
	ring->entries = entries;
	ring->sq = dma_alloc_coherent(dev, rdu_ring_bytes(entries, sizeof(*ring->sq)),
				      &ring->sq_dma, GFP_KERNEL);
	ring->cq = dma_alloc_coherent(dev, rdu_ring_bytes(entries, sizeof(*ring->cq)),
				      &ring->cq_dma, GFP_KERNEL);
	if (!ring->sq || !ring->cq) {
		rdu_ring_free(ring);
		return -ENOMEM;
	}
	return 0;
}

void rdu_ring_free(struct rdu_ring *ring)
{
	struct device *dev;

	if (!ring->rdu)
		return;
	dev = &ring->rdu->pdev->dev;
	if (ring->sq)
		dma_free_coherent(dev, rdu_ring_bytes(ring->entries, sizeof(*ring->sq)), ring->sq,
				  ring->sq_dma);
	if (ring->cq)
		dma_free_coherent(dev, rdu_ring_bytes(ring->entries, sizeof(*ring->cq)), ring->cq,
				  ring->cq_dma);
	ring->sq = NULL;
	ring->cq = NULL;
}

/* As it was when it was new. */
void rdu_ring_clear(struct rdu_ring *ring)
{
	ring->submitted = 0;
	ring->completed = 0;
	memset(ring->cq, 0, ring->entries * sizeof(*ring->cq));
}

/* There must be room. The device sees it when it is submitted. */
void rdu_ring_put(struct rdu_ring *ring, const struct rdu_sqe *sqe)
{
	struct rdu_sqe *entry = &ring->sq[ring->submitted & (ring->entries - 1)];

	*entry = *sqe;
	entry->command_id = (u16)ring->submitted;
	ring->submitted++;
}

void rdu_ring_submit(struct rdu_ring *ring)
{
	/* writel orders the entries before the doorbell. */
	rdu_write32(ring->rdu, RDU_HOSTIF_DOORBELL_SQ_TAIL(ring->id),
		    ring->submitted & (ring->entries - 1));
}

/* A completion is there. */
bool rdu_ring_ready(const struct rdu_ring *ring)
{
	const struct rdu_cqe *entry = &ring->cq[ring->completed & (ring->entries - 1)];
	u16 pass = (ring->completed / ring->entries) & 1;

	return (READ_ONCE(entry->phase) & 1) != pass;
}

bool rdu_ring_take(struct rdu_ring *ring, struct rdu_cqe *cqe)
{
	if (!rdu_ring_ready(ring))
		return false;
	dma_rmb(); /* the device writes the phase last */
	*cqe = ring->cq[ring->completed & (ring->entries - 1)];
	ring->completed++;
	return true;
}

/* Gives the entries of completions that were taken back to the device. */
void rdu_ring_release(struct rdu_ring *ring)
{
	rdu_write32(ring->rdu, RDU_HOSTIF_DOORBELL_CQ_HEAD(ring->id),
		    ring->completed & (ring->entries - 1));
}
