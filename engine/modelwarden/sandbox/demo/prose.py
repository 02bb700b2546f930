"""What the demo's model cards say in words. Every organization, product and person here is invented."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Product:
    """The words of one product's model card; the fields follow the sections of a SageMaker model card."""

    description: str
    creator: str
    owner: str
    algorithm: str
    problem_type: str
    purpose: str
    uses: str
    factors: str
    rating: str
    rating_reason: str
    problem: str
    stakeholders: str
    line: str
    observation: str
    ethics: str
    caveats: str


CREDIT = Product(
    "Scores the probability that a consumer loan is repaid on schedule.",
    "Consumer credit modelling, Example Bank",
    "Head of consumer lending, Example Bank",
    "Logistic regression",
    "Binary Classification",
    "Ranks applications for consumer loans by the probability of repayment within 24 months.",
    "Decision support in retail branches; an underwriter confirms every refusal before the applicant is told.",
    "Thin credit files, self-employed applicants and incomes reported less often than once a year lower the accuracy.",
    "High",
    "A refusal restricts access to credit, and the decision has a legal effect on a natural person.",
    "Losses on unsecured loans grew while manual scoring took four days for each application.",
    "Underwriters, branch managers, the credit risk committee and the applicants themselves.",
    "Retail lending: unsecured consumer loans up to 50,000 euros.",
    "Measured on applications of the quarter that follows the training period, none of them seen in training.",
    "Sex and age are not inputs; disparity is measured on every release and reviewed by the fairness panel.",
    "Not calibrated for applicants without any credit history; route those to manual underwriting.",
)

HIRING = Product(
    "Suggests which applications a recruiter should read first.",
    "People analytics, Example Group",
    "Director of talent acquisition, Example Group",
    "Logistic regression",
    "Binary Classification",
    "Orders incoming applications for warehouse and driver positions by match with the stated requirements.",
    "A reading order for recruiters; nobody is rejected by the model, and every application is read.",
    "Career breaks and certificates from outside the region are described in ways the parser reads badly.",
    "High",
    "Recruitment is a high-risk use: a low rank can delay or cost a person an offer of employment.",
    "Recruiters see four hundred applications a week and answer half of them after the candidate has left.",
    "Recruiters, works council, applicants and the equal opportunity officer.",
    "Shared services: human resources operations for logistics.",
    "Measured against the blinded double reading of two recruiters on a later month of applications.",
    "The works council receives the disparity report of each version and may stop its use.",
    "Do not use for management positions: fewer than thirty examples were available.",
)

FRAUD = Product(
    "Flags card payments that are likely to be fraudulent.",
    "Payment fraud science, Example Bank",
    "Head of payment security, Example Bank",
    "Logistic regression",
    "Binary Classification",
    "Holds back suspicious card payments until the holder has confirmed them in the banking app.",
    "Real-time scoring of card payments in the euro area; a hold is lifted within ninety seconds of confirmation.",
    "New merchant categories and travel seasons shift the distance feature and raise the false alarms.",
    "High",
    "A wrong hold leaves a person without means of payment, possibly in another country.",
    "Fraud with stolen card data doubled in two years, and rules alone stop only a third of it.",
    "Card holders, merchants, the dispute desk and the payment security council.",
    "Payments: debit and credit cards issued to private customers.",
    "Measured on two weeks of payments after the training window, labelled by confirmed disputes.",
    "False holds are compared between women and men, and between age bands, every month.",
    "Payments above 5,000 euros are outside of the training range and stay with the rules engine.",
)

CHURN = Product(
    "Estimates which subscribers will cancel within the next two months.",
    "Retention analytics, Example Retail",
    "Product owner for customer retention, Example Retail",
    "Logistic regression",
    "Binary Classification",
    "Selects subscribers who are offered a retention conversation by the service team.",
    "Weekly batch scoring of active subscribers; the service team decides whom to call.",
    "Promotions that end in the scoring week and accounts shared by a household blur the signal.",
    "Medium",
    "A wrong score costs a discount or a customer, and has no legal effect on anybody.",
    "Every tenth subscriber cancels within a year, most of them without having spoken to the service team.",
    "Service team, campaign planning and the subscribers who are contacted.",
    "Subscriptions: groceries and household goods delivered weekly.",
    "Measured on subscribers of the following month; the set shares no subscriber with the training data.",
    "Contact frequency is capped, and subscribers who objected to profiling are never scored.",
    "Scores drift quickly after a price change; retrain within four weeks.",
)

CLAIMS = Product(
    "Routes incoming insurance claims to the fast lane or to an adjuster.",
    "Claims intelligence, Example Insurance",
    "Head of claims operations, Example Insurance",
    "Logistic regression",
    "Binary Classification",
    "Separates simple motor claims from those an adjuster has to look at.",
    "Triage of motor claims below 3,000 euros; payment is always released by a person.",
    "Storm weeks change the mix of claims, and photos taken at night hide part of the damage.",
    "Medium",
    "A wrong route delays a payment by some days, and an adjuster can correct it at any time.",
    "Simple claims wait as long as difficult ones, eleven days on average.",
    "Adjusters, policy holders and the repair shops of the network.",
    "Property and casualty: motor insurance for private vehicles.",
    "Measured on claims that were closed after the training period, with the adjuster's decision as the truth.",
    "Postal code and name are not inputs, since both stand in for origin.",
    "Claims with personal injury are out of scope and leave the flow before scoring.",
)

CAMPAIGN = Product(
    "Predicts who will answer a seasonal mailing.",
    "Campaign analytics, Example Retail",
    "Manager of customer communication, Example Retail",
    "Decision tree",
    "Binary Classification",
    "Chooses the recipients of seasonal catalogues so that fewer of them end as waste paper.",
    "Selection of catalogue recipients twice a year, among customers who agreed to mailings.",
    "New customers have no order history, which the model needs.",
    "Low",
    "The worst outcome is a catalogue that nobody wanted to read.",
    "Nine of ten catalogues are thrown away unread.",
    "Campaign planning, the print shop and customers who agreed to mailings.",
    "Mail order: seasonal catalogues for home and garden.",
    "Measured on the mailing of the previous autumn.",
    "Only customers who agreed to mailings are ever scored.",
    "Response in the first year after a change of the catalogue is unknown.",
)

TUMOUR = Product(
    "Pre-sorts cell images for the pathologist who reads them.",
    "Clinical data science, Example Hospital",
    "Chief of pathology, Example Hospital",
    "Logistic regression",
    "Binary Classification",
    "Orders fine needle aspirates so that suspicious ones are read first.",
    "Work-list order in one laboratory; every sample is read by a pathologist within the day.",
    "Samples prepared with another stain, and very small cell counts, are measured less precisely.",
    "High",
    "A suspicious sample that is read late may delay a treatment.",
    "On busy days suspicious samples wait behind routine ones for up to nine hours.",
    "Pathologists, the laboratory and the patients whose samples are read.",
    "Diagnostics: cytology laboratory of the breast centre.",
    "Measured on the second half of the public Diagnostic Wisconsin data set, unseen in training.",
    "The data set names neither age nor sex of the patients, so no disparity can be measured on it.",
    "Not a diagnosis, and not tested on samples of men.",
)

DOCUMENTS = Product(
    "Assigns scanned letters to the department that answers them.",
    "Document automation, Example Group",
    "Head of the central mail room, Example Group",
    "Logistic regression over text embeddings",
    "Binary Classification",
    "Tells invoices from all other letters, so that they reach accounting on the day they arrive.",
    "Routing of scanned letters in the central mail room; anybody may send a letter on by hand.",
    "Handwriting and letters in languages other than English and German are read less well.",
    "Medium",
    "A letter that goes to the wrong department arrives a day later than it should.",
    "Invoices were paid late because they lay in the wrong tray, and the discount was lost.",
    "Accounting, the mail room and suppliers who wait for their money.",
    "Shared services: central mail room of the group.",
    "Measured on the letters of one later week, sorted by hand by two colleagues.",
    "Letters marked as personal are never opened nor scanned.",
    "Do not use for applications and complaints, which have their own process.",
)

HOUSES = Product(
    "Estimates the price of a house from its size, rooms and age.",
    "Valuation laboratory, Example Bank",
    "Lead of the valuation laboratory, Example Bank",
    "Linear regression",
    "Regression",
    "A first figure for the conversation between adviser and customer.",
    "Internal experiments of the valuation laboratory, with synthetic houses only.",
    "Location is not an input, which limits the precision.",
    "Low",
    "An experiment without customers: no decision depends on it.",
    "Advisers had no figure at hand before the surveyor's visit.",
    "Advisers and the valuation laboratory.",
    "Mortgages: private homes.",
    "Measured on two hundred synthetic houses.",
    "No data about persons is involved.",
    "Not for real customers: all houses are invented.",
)
