/** Gives the broker of a home another key and another address, as its daemon does when it is told to: `HOME`. */
import { HomeStanding } from '../../packages/cli/dist/daemons/home-standing.js';

const standing = new HomeStanding(process.argv[2], Date.now);
await standing.change({ newKey: true, brokers: ['tcp://anvil:7600'] });
