// SPDX-License-Identifier: GPL-2.0
/* Interrupts: a vector a queue; when the system has fewer, queues share them. */

#include <linux/interrupt.h>

#include "rdu.h"

static irqreturn_t rdu_irq(int irq, void *data)
{
	struct rdu_vector *vector = data;
	struct rdu_device *rdu = vector->rdu;
	unsigned long flags;
	u32 id;

	atomic64_inc(&rdu->counters.interrupts);
	if (vector->index == 0)
		rdu_admin_drain(rdu);
	spin_lock_irqsave(&rdu->queue_lock, flags);
	for (id = vector->index ? vector->index : rdu->vectors; id < rdu->queue_pairs;
	     id += rdu->vectors)
		if (rdu->queue[id])
			rdu_queue_drain(rdu->queue[id]);
	spin_unlock_irqrestore(&rdu->queue_lock, flags);
	/* Messages are not shared, and one may find that another has taken its completions: never
	 * "not ours". */
	return IRQ_HANDLED;
}

int rdu_irq_init(struct rdu_device *rdu)
{
	struct pci_dev *pdev = rdu->pdev;
	int got, err;
	u32 i;

	got = pci_alloc_irq_vectors(pdev, 1, rdu->vectors, PCI_IRQ_MSIX);
	if (got < 0)
		return dev_err_probe(&pdev->dev, got, "no MSI-X interrupts\n");
	if (got < rdu->vectors)
		dev_info(&pdev->dev, "%d interrupts instead of %u: queues share them\n", got,
			 rdu->vectors);
	rdu->vectors = got;
	for (i = 0; i < rdu->vectors; i++) {
		rdu->vector[i].rdu = rdu;
		rdu->vector[i].index = i;
		snprintf(rdu->vector[i].name, sizeof(rdu->vector[i].name), "rdu%d-%u", rdu->index,
			 i);
		err = request_irq(pci_irq_vector(pdev, i), rdu_irq, 0, rdu->vector[i].name,
				  &rdu->vector[i]);
		if (err)
			goto undo;
	}
	return 0;
undo:
	rdu->vectors = i;
	rdu_irq_free(rdu);
	return err;
}

void rdu_irq_free(struct rdu_device *rdu)
{
	u32 i;

	for (i = 0; i < rdu->vectors; i++)
		free_irq(pci_irq_vector(rdu->pdev, i), &rdu->vector[i]);
	pci_free_irq_vectors(rdu->pdev);
}
